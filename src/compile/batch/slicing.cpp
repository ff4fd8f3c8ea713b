#include "compile/batch/slicing.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "compile/batch/sample_axis.hpp"
#include "optimize/pass_manager.hpp"
#include "optimize/passes/passes.hpp"

namespace hone::batch {

namespace {

struct Refused {
  std::string reason;
};

void require(bool good, const std::string& reason) {
  if (!good) throw Refused{reason};
}

/// Follows two graphs node by node.
class Comparison {
 public:
  explicit Comparison(int64_t count) : count_(count) {}

  /// Throws the reason where the graphs part.
  void run(const Graph& whole, const Graph& slice) {
    require(whole.inputs().size() == slice.inputs().size() && whole.nodes().size() == slice.nodes().size(),
            "the number of nodes depends on the size of the batch");
    for (size_t i = 0; i < whole.inputs().size(); ++i) add_input(whole.inputs()[i], slice.inputs()[i]);
    auto big = whole.nodes().begin();
    for (const auto& node : slice.nodes()) add_node(**big++, *node);
    for (size_t i = 0; i < slice.outputs().size(); ++i) {
      const GraphOutput& output = slice.outputs()[i];
      require(axis_of(whole.outputs()[i].value, output.value) == 0,
              fmt::format("output '{}' is not cut along its first axis", output.name));
    }
  }

 private:
  static Dims dims_of(const Value* value) {
    require(value->shape().is_static() && value->dtype() != DType::string,
            "the sizes of '" + value->name + "' depend on data");
    return value->shape().concrete();
  }

  /// The sizes agree with what is known of a value.
  bool sizes_fit(const Value* whole, const Value* slice, int axis) const {
    const Dims big = dims_of(whole), small = dims_of(slice);
    if (big.size() != small.size() || whole->dtype() != slice->dtype()) return false;
    for (size_t i = 0; i < big.size(); ++i)
      if (small[i] == 0 || big[i] != small[i] * (static_cast<int>(i) == axis ? count_ : 1)) return false;
    return axis < static_cast<int>(big.size());
  }

  void add_input(const Value* whole, const Value* slice) {
    const int axis = dims_of(whole) == dims_of(slice) ? same : 0;
    require(sizes_fit(whole, slice, axis), fmt::format("input '{}' is not cut along its first axis", slice->name));
    axes_[slice] = axis;
  }

  void add_node(const Node& whole, const Node& node) {
    require(same_op(whole.op(), node.op()) && whole.inputs().size() == node.inputs().size() &&
                whole.outputs().size() == node.outputs().size(),
            fmt::format("{} depends on the size of the batch", node.place()));
    CutNode cut{node, whole, {}};
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      require(!node.input(i) == !whole.input(i), node.place());
      cut.axes.push_back(node.input(i) ? axis_of(whole.input(i), node.input(i)) : same);
      if (node.input(i)) dims_of(node.input(i)), dims_of(whole.input(i));
    }
    for (size_t i = 0; i < node.outputs().size(); ++i) dims_of(node.output(i)), dims_of(whole.output(i));
    const auto axis = axis_of_outputs(cut);
    require(axis.has_value(), fmt::format("{} does not treat each sample alone", node.place()));
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      require(*axis == other || sizes_fit(whole.output(i), node.output(i), *axis),
              fmt::format("{} makes {} of the whole batch, {} of a slice", node.place(),
                          to_string(whole.output(i)->shape()), to_string(node.output(i)->shape())));
      axes_[node.output(i)] = *axis;
    }
  }

  int axis_of(const Value* whole, const Value* slice) {
    auto [known, fresh] = axes_.emplace(slice, other);
    if (!fresh) return known->second;
    require(slice->is_constant() && whole->is_constant(), "'" + slice->name + "' has no producer");
    return known->second = axis_of_constants(whole->constant(), slice->constant());
  }

  /// Constants that were folded may hold a copy for each sample.
  int axis_of_constants(const Tensor& whole, const Tensor& slice) const {
    if (whole.address() == slice.address() || identical(whole, slice)) return same;
    if (whole.rank() != slice.rank() || whole.dtype() != slice.dtype() || whole.dtype() == DType::string) return other;
    int axis = 0;
    while (axis < slice.rank() && whole.dim(axis) == slice.dim(axis)) ++axis;
    if (axis == slice.rank() || whole.dim(axis) != slice.dim(axis) * count_) return other;
    if (whole.size() != slice.size() * count_) return other;
    size_t blocks = 1;
    for (int i = 0; i < axis; ++i) blocks *= static_cast<size_t>(slice.dim(i));
    if (blocks == 0 || slice.bytes() == 0) return other;
    const size_t bytes = slice.bytes() / blocks;
    const char *from = static_cast<const char*>(whole.raw()), *expected = static_cast<const char*>(slice.raw());
    for (size_t block = 0; block < blocks; ++block, expected += bytes)
      for (int64_t i = 0; i < count_; ++i, from += bytes)
        if (std::memcmp(from, expected, bytes) != 0) return other;
    return axis;
  }

  int64_t count_;
  std::unordered_map<const Value*, int> axes_;  // of the values of the slice
};

/// With what follows from the sizes, but the same nodes otherwise.
Graph folded(Graph graph) {
  std::vector<std::unique_ptr<Pass>> passes;
  passes.push_back(passes::fold_constants());
  run_passes(graph, passes);
  return graph;
}

}  // namespace

std::string why_not_cut(const Graph& whole, const Graph& slice, int64_t count) {
  try {
    Comparison(count).run(whole, slice);
  } catch (const Refused& refused) {
    return refused.reason;
  }
  return {};
}

namespace {

double bytes_of(const Value* value) {
  return static_cast<double>(element_count(value->shape().concrete())) * static_cast<double>(size_of(value->dtype()));
}

/// False for values that compile makes no memory for: other names of the same elements, and what a kernel hands to the
/// elementwise op, batch norm or quantizer behind it.
bool is_stored(const Value* value) {
  const Node* node = value->producer();
  if (node && (node->has(Trait::view) || node->is("DequantizeLinear"))) return false;
  if (!node || value->uses().size() != 1) return true;
  const Node& reader = *value->uses()[0].node;
  return !reader.has(Trait::elementwise) && !reader.is("QuantizeLinear") && !reader.is("BatchNormalization");
}

/// What one sample costs in memory traffic.
struct Traffic {
  double weights = 0, activations = 0, largest = 0;  // bytes; largest: read and written by one node

  explicit Traffic(const Graph& one) {
    for (const Value* constant : one.constants()) weights += bytes_of(constant);
    for (const auto& node : one.nodes()) {
      double node_bytes = 0;
      for (const Value* input : node->inputs())
        if (input && !input->is_constant() && is_stored(input)) node_bytes += bytes_of(input);
      for (const Value* output : node->outputs()) {
        if (!is_stored(output)) continue;
        activations += bytes_of(output);
        node_bytes += bytes_of(output);
      }
      largest = std::max(largest, node_bytes);
    }
  }
};

}  // namespace

int64_t slice_size(const Graph& one, int64_t samples) {
  constexpr double kWeightsPerActivation = 0.4, kCache = 2 << 20, kLeast = 1 << 20;
  const Traffic traffic(one);
  if (traffic.largest * static_cast<double>(samples) <= kCache) return samples;
  int64_t size = 1;
  auto pays = [&] {
    const double samples_of_slice = static_cast<double>(size);
    return samples_of_slice * traffic.activations >= kWeightsPerActivation * traffic.weights &&
           samples_of_slice * traffic.largest >= kLeast;  // there is a call a step to pay for
  };
  while (size < samples && (samples % size != 0 || !pays())) ++size;
  return size;
}

std::optional<Slices> choose_slices(int64_t samples, FunctionRef<Graph(int64_t)> graph_for) {
  if (samples < 2) return std::nullopt;
  Slices slices;
  std::string reason;
  try {
    const Graph whole = folded(graph_for(samples)), one = folded(graph_for(1));
    reason = why_not_cut(whole, one, samples);
    if (reason.empty()) slices.size = slice_size(one, samples);
    slices.count = samples / slices.size;
    if (slices.size > 1 && slices.count > 1) reason = why_not_cut(whole, folded(graph_for(slices.size)), slices.count);
    for (size_t i = 0; i < whole.inputs().size(); ++i)
      slices.cut.push_back(whole.inputs()[i]->shape() != one.inputs()[i]->shape());
    for (const GraphOutput& output : whole.outputs())
      slices.outputs.emplace_back(output.value->dtype(), output.value->shape().concrete());
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    reason = error.what();
  }
  if (!reason.empty()) log(LogLevel::debug, "a batch runs at once: " + reason);
  return reason.empty() && slices.count > 1 ? std::optional(slices) : std::nullopt;
}

}  // namespace hone::batch
