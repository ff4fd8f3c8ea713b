#include "app/support/compare.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "app/support/watch.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "compile/model_source.hpp"
#include "quantize/quantize.hpp"

namespace hone::app {

namespace {

constexpr size_t max_own = 12;  // nodes that are compiled and run alone

struct Pair {
  size_t a, b;
};

/// Pairs of equal names; of the others, the longest list with equal op and sizes in the order of both.
std::vector<Pair> match(const std::vector<Watch>& a, const std::vector<Watch>& b) {
  std::map<std::string, size_t> named;
  for (size_t k = 0; k < b.size(); ++k) named.emplace(b[k].name, k);
  std::vector<Pair> pairs;
  std::vector<size_t> rest_a, rest_b;
  std::set<size_t> taken;
  for (size_t i = 0; i < a.size(); ++i) {
    auto it = named.find(a[i].name);
    if (it != named.end() && a[i].dims == b[it->second].dims && taken.insert(it->second).second)
      pairs.push_back({i, it->second});
    else if (it == named.end()) rest_a.push_back(i);
  }
  std::set<std::string> names_a;
  for (const Watch& watch : a) names_a.insert(watch.name);
  for (size_t k = 0; k < b.size(); ++k)
    if (!names_a.count(b[k].name)) rest_b.push_back(k);
  auto same = [&](size_t i, size_t k) {
    return a[rest_a[i]].op == b[rest_b[k]].op && a[rest_a[i]].dims == b[rest_b[k]].dims;
  };
  size_t width = rest_b.size() + 1;
  std::vector<uint32_t> best((rest_a.size() + 1) * width, 0);
  for (size_t i = rest_a.size(); i-- > 0;)
    for (size_t k = rest_b.size(); k-- > 0;)
      best[i * width + k] = same(i, k) ? best[(i + 1) * width + k + 1] + 1
                                       : std::max(best[(i + 1) * width + k], best[i * width + k + 1]);
  for (size_t i = 0, k = 0; i < rest_a.size() && k < rest_b.size();) {
    if (same(i, k)) pairs.push_back({rest_a[i++], rest_b[k++]});
    else if (best[(i + 1) * width + k] >= best[i * width + k + 1]) ++i;
    else ++k;
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& x, const Pair& y) { return x.a < y.a; });
  return pairs;
}

std::set<std::string> scaled_values(const Graph& graph) {
  std::set<std::string> names;
  auto found = graph.metadata.find(scaled_channels_key);
  if (found == graph.metadata.end()) return names;
  std::istringstream lines(found->second);
  for (std::string line; std::getline(lines, line);) names.insert(line);
  return names;
}

/// Multiplies each channel (axis 1 of `dims`) of `values` by the factor that brings it nearest to `wanted`.
void undo_scaling(std::vector<float>& values, const std::vector<float>& wanted, const Dims& dims) {
  if (dims.size() < 2 || values.size() != wanted.size() || values.empty()) return;
  const size_t channels = static_cast<size_t>(dims[1]), images = static_cast<size_t>(dims[0]),
               inner = values.size() / (channels * images);
  for (size_t c = 0; c < channels; ++c) {
    auto each = [&](auto visit) {
      for (size_t n = 0; n < images; ++n)
        for (size_t i = 0; i < inner; ++i) visit((n * channels + c) * inner + i);
    };
    double product = 0, square = 0;
    each([&](size_t i) { product += double{values[i]} * wanted[i], square += double{values[i]} * values[i]; });
    if (!(product > 0) || !std::isfinite(product)) continue;
    each([&](size_t i) { values[i] = static_cast<float>(values[i] * (product / square)); });
  }
}

/// One side: the model specialized for the sizes of the inputs, as it is and with its steps watched.
struct Side {
  Side(Graph specialized, const DeviceOptions& device)
      : graph(std::move(specialized)), device(device), plain(load(graph, device)) {}
  void watch(std::vector<Watch> list) {
    watches = std::move(list);
    watched = std::make_unique<WatchedModel>(graph, device, watches);
  }

  Graph graph;
  DeviceOptions device;
  Session plain;
  std::vector<Watch> watches;
  std::unique_ptr<WatchedModel> watched;
};

}  // namespace

struct Comparer::State {
  const Graph& a;
  const Graph* b;  // nullptr: a
  CompareOptions options;
  std::vector<Dims> dims;
  std::unique_ptr<Side> side_a, side_b;
  std::vector<Pair> pairs;
  std::vector<Tensor> last_inputs, expected;  // of the last run; the outputs of b
  Comparison result;

  bool parts(const ValueError& error) const {
    if (options.min_sqnr) return error.sqnr_db() < *options.min_sqnr;
    return error.max_abs() > options.atol + options.rtol * error.largest();
  }

  void prepare(std::span<const Tensor> inputs) {
    std::vector<Dims> wanted;
    for (const Tensor& input : inputs) wanted.push_back(input.dims());
    if (side_a && wanted == dims) return;
    dims = wanted;
    side_a = std::make_unique<Side>(specialize(a, dims, options.device_a.disabled_passes), options.device_a);
    side_b = std::make_unique<Side>(b ? specialize(*b, dims, {}) : side_a->graph.clone(), options.device_b);
    if (side_a->graph.outputs().size() != side_b->graph.outputs().size())
      throw Error("compare",
                  "A has " + std::to_string(side_a->graph.outputs().size()) + " outputs and B has " +
                      std::to_string(side_b->graph.outputs().size()),
                  "compare a model with one made from it");
    side_a->watch(plan_watches(side_a->graph, options.device_a));
    // One model: the steps of a, for the reference device has no fused ones.
    side_b->watch(b ? plan_watches(side_b->graph, options.device_b) : side_a->watches);
    std::vector<Pair> fresh;
    if (b) fresh = match(side_a->watches, side_b->watches);
    else for (size_t i = 0; i < side_a->watches.size(); ++i) fresh.push_back({i, i});
    if (result.nodes.empty()) describe(fresh);
    else if (fresh.size() != pairs.size())
      throw Error("compare", "the plans for these input sizes differ", "give images of one size");
    pairs = std::move(fresh);
  }

  void describe(const std::vector<Pair>& fresh) {
    for (const Pair& pair : fresh) {
      const Watch& watch = side_a->watches[pair.a];
      result.nodes.push_back(
          {watch.name, side_b->watches[pair.b].name, watch.node, watch.kernel, watch.type, {}, false, false, {}});
      const std::string& name_b = result.nodes.back().name_b;
      // In only one of them: two models that were aligned alike need no help.
      result.nodes.back().scaled_channels =
          scaled_values(a).count(watch.name) != scaled_values(b ? *b : a).count(name_b);
    }
    for (size_t i = 0; i < side_a->graph.outputs().size(); ++i) {
      const GraphOutput& output = side_a->graph.outputs()[i];
      const Node* node = output.value->producer();
      const GraphOutput& other = side_b->graph.outputs()[i];
      std::string type = to_string(output.value->type), type_b = to_string(other.value->type);
      if (type != type_b) type += " / " + type_b;
      result.outputs.push_back({output.name, other.name, node ? node->place() : "", "", type, {}, false, false, {}});
    }
    result.watched_a = side_a->watches.size();
    result.watched_b = side_b->watches.size();
  }

  void run(std::span<const Tensor> inputs) {
    prepare(inputs);
    last_inputs.assign(inputs.begin(), inputs.end());
    side_a->watched->run(inputs);
    check_interrupt("compare");
    side_b->watched->run(inputs);
    check_interrupt("compare");
    for (size_t i = 0; i < pairs.size(); ++i) {
      const Watch &watch_a = side_a->watches[pairs[i].a], &watch_b = side_b->watches[pairs[i].b];
      std::vector<float> got = watched_floats(watch_a, side_a->watched->value(pairs[i].a));
      const std::vector<float> wanted = watched_floats(watch_b, side_b->watched->value(pairs[i].b));
      if (result.nodes[i].scaled_channels) undo_scaling(got, wanted, watch_a.dims);
      result.nodes[i].error.add(got, wanted);
    }
    std::vector<Tensor> got = side_a->plain.run(inputs);
    bool by_definition = options.device_b.device == "reference";
    // The reference evaluation of the model as it was read: what the passes do wrong shows too.
    expected = by_definition ? evaluate(b ? *b : a, inputs) : side_b->plain.run(inputs);
    for (size_t i = 0; i < got.size(); ++i) result.outputs[i].error.add(got[i].to_floats(), expected[i].to_floats());
    if (!by_definition) return;
    for (size_t i = 0; i < got.size(); ++i) {
      ValueError passes;
      passes.add(side_b->watched->output(i).to_floats(), expected[i].to_floats());
      result.optimization_parts |= passes.max_abs() > options.atol + options.rtol * passes.largest();
    }
  }

  /// Runs the node behind watch `i` alone on side a, with b's values of what it reads.
  std::optional<ValueError> own_error(size_t i) {
    const Watch& watch = side_a->watches[i];
    std::vector<std::string> stops, names;
    for (const Watch& other : side_a->watches) stops.push_back(other.value);
    try {
      Graph part = cut_out(side_a->graph, watch.value, stops, names);
      std::vector<Tensor> inputs;
      for (const std::string& name : names) {
        Tensor input;
        for (size_t k = 0; k < side_a->watches.size(); ++k)
          if (side_a->watches[k].value == name) input = side_b->watched->value(k);
        for (size_t k = 0; k < side_a->graph.inputs().size(); ++k)
          if (side_a->graph.inputs()[k]->name == name) input = last_inputs[k];
        if (!input.defined()) return std::nullopt;
        inputs.push_back(input);
      }
      Session session(load(part, options.device_a));
      ValueError error;
      error.add(watched_floats(watch, session.run(inputs)[0]), watched_floats(watch, side_b->watched->value(i)));
      return error;
    } catch (const Error&) {
      return std::nullopt;  // such as a part that cannot stand alone
    }
  }

  /// True when the graph that ends with watch `i`, and watches nothing else, parts there.
  bool parts_when_cut(size_t i) {
    std::vector<std::string> names;
    Graph part = cut_out(side_a->graph, side_a->watches[i].value, {}, names);
    std::vector<Tensor> inputs;
    for (const std::string& name : names)
      for (size_t k = 0; k < side_a->graph.inputs().size(); ++k)
        if (side_a->graph.inputs()[k]->name == name) inputs.push_back(last_inputs[k]);
    Session session(load(part, options.device_a));
    ValueError error;
    error.add(watched_floats(side_a->watches[i], session.run(inputs)[0]),
              watched_floats(side_a->watches[i], side_b->watched->value(i)));
    check_interrupt("compare");
    return parts(error);
  }

  /// The first watch that parts when cut, assuming that an error stays once it is there.
  std::string bisect() {
    size_t low = 0, high = side_a->watches.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (parts_when_cut(middle)) high = middle;
      else low = middle + 1;
    }
    return low < side_a->watches.size() ? side_a->watches[low].node : "";
  }
};

int Comparison::first() const {
  for (size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].parts) return static_cast<int>(i);
  return -1;
}

bool Comparison::outputs_part() const {
  return std::any_of(outputs.begin(), outputs.end(), [](const ComparedValue& value) { return value.parts; });
}

namespace {
/// Whether one tensor can be the input of both.
bool fit(const Value& a, const Value& b) {
  if (a.dtype() != b.dtype()) return false;
  if (!a.shape().ranked || !b.shape().ranked) return true;
  if (a.shape().rank() != b.shape().rank()) return false;
  for (int i = 0; i < a.shape().rank(); ++i)
    if (a.shape()[i].known() && b.shape()[i].known() && a.shape()[i].value != b.shape()[i].value) return false;
  return true;
}

std::string list_inputs(const Graph& graph) {
  std::string text;
  for (const Value* input : graph.inputs())
    text += (text.empty() ? "'" : ", '") + input->name + "' " + to_string(input->type);
  return text.empty() ? "none" : text;
}
}  // namespace

Comparer::Comparer(const Graph& a, const Graph* b, const CompareOptions& options) : state_(new State{a, b, options}) {
  if (!b) return;
  bool same = a.inputs().size() == b->inputs().size();
  for (size_t i = 0; same && i < a.inputs().size(); ++i) same = fit(*a.inputs()[i], *b->inputs()[i]);
  if (!same)
    throw Error(
        "compare",
        "the two models do not take the same inputs: A takes " + list_inputs(a) + ", B takes " + list_inputs(*b),
        "compare a model with one made from it");
}

Comparer::~Comparer() = default;

void Comparer::add(std::span<const Tensor> inputs) { state_->run(inputs); }

Comparison Comparer::finish() {
  State& state = *state_;
  Comparison& result = state.result;
  size_t alone = 0;
  for (size_t i = 0; i < result.nodes.size(); ++i) {
    ComparedValue& value = result.nodes[i];
    value.parts = state.parts(value.error);
    if (value.parts && !state.b && alone++ < max_own) value.own = state.own_error(i);
  }
  for (ComparedValue& output : result.outputs) output.parts = state.parts(output.error);
  if (!state.b && result.outputs_part() && result.first() < 0 && !result.optimization_parts)
    result.first_by_cutting = state.bisect();
  return std::move(result);
}

}  // namespace hone::app
