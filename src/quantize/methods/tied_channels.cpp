#include "quantize/methods/tied_channels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "graph/ops/fused/fused.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/layer.hpp"
#include "quantize/methods/channel_weights.hpp"

namespace hone {

namespace {

constexpr double most_left = 0.4;            // of the noise; what gains less loses it to weights now and then
constexpr float least_relative = 1.0F / 64;  // a channel that is nearly always 0 stays small
constexpr std::array<double, 4> strengths = {0.25, 0.5, 0.75, 1};

/// Disjoint sets of values that must have the same factors.
class Ties {
 public:
  const Value* root(const Value* value) {
    auto found = parent_.try_emplace(value, value).first;
    if (found->second == value) return value;
    const Value* top = root(found->second);
    return parent_[value] = top;
  }
  void tie(const Value* a, const Value* b) {
    const Value *x = root(a), *y = root(b);
    if (x == y) return;
    parent_[x] = y;
    if (fixed_.count(x)) fixed_.insert(y);
  }
  void fix(const Value* value) { fixed_.insert(root(value)); }
  bool is_fixed(const Value* value) { return fixed_.count(root(value)) > 0; }

 private:
  std::map<const Value*, const Value*> parent_;
  std::set<const Value*> fixed_;
};

bool is_layer(const Node& node) {
  return has_output_channels(node) && constant_f32(node.input(1)) && !node.input(0)->is_constant();
}

bool is_maker(Node& node) {
  if (!is_layer(node)) return false;
  auto place = bias_place(node, false);
  const Value* bias = node.inputs().size() > 2 ? node.input(2) : nullptr;
  return place && (!bias || (constant_f32(bias) &&
                             bias->constant().size() == static_cast<int64_t>(output_channels(node))));
}

bool has_known_channels(const Value* value) {
  const Shape& shape = value->shape();
  return value->dtype() == DType::f32 && shape.ranked && shape.rank() >= 2 && shape[1].known();
}

/// Flatten of [N, C, 1, 1]: channels stay what they are.
bool keeps_channels(const Node& node) {
  const Shape &in = node.input(0)->shape(), &out = node.output()->shape();
  return node.is("Flatten") && out.rank() == 2 && in.rank() > 2 && out[1].known() && out[1] == in[1];
}

/// Clip(0, b): factors that make no channel larger than the largest leave b where it is, beyond which no value was
/// seen.
bool clips_above(const Node& node) {
  ops::FusedActivation clip;
  return node.is("Clip") && ops::fusable_activation(node, clip) && clip.alpha == 0 && std::isfinite(clip.beta);
}

bool adds_alike(const Node& node) {
  if (!node.is("Add") || node.input(0)->is_constant() || node.input(1)->is_constant()) return false;
  const Shape &a = node.input(0)->shape(), &b = node.input(1)->shape();
  return a.rank() == b.rank() && has_known_channels(node.input(0)) && has_known_channels(node.input(1)) && a[1] == b[1];
}

void tie_node(Ties& ties, Node& node) {
  if (is_layer(node)) {
    if (!has_input_channels(node)) ties.fix(node.input(0));
    if (!is_maker(node)) ties.fix(node.output());
    return;
  }
  const bool through = is_homogeneous(node) || keeps_channels(node) || clips_above(node);
  if (through || adds_alike(node)) {
    ties.tie(node.input(0), node.output());
    if (!through) ties.tie(node.input(1), node.output());
    return;
  }
  for (const Value* value : node.inputs())
    if (value) ties.fix(value);
  for (const Value* value : node.outputs()) ties.fix(value);
}

bool is_of_use(const TiedChannels& group) {
  if (group.makers.empty() || group.readers.empty()) return false;
  const bool depthwise_only = std::all_of(group.readers.begin(), group.readers.end(),
                                          [](const Node* reader) { return is_grouped(*reader); });
  for (const Value* value : group.values)
    if (!has_known_channels(value) || value->shape()[1].value != static_cast<int64_t>(group.channels)) return false;
  for (const Node* reader : group.readers)
    if (input_channels(*reader) != group.channels) return false;
  return !depthwise_only && group.channels > 1;
}

/// One layer's part in the noise.
struct Reader {
  std::vector<double> power;                   // sum over the outputs of squared weights, of each input channel
  std::vector<std::vector<float>> largest;     // [input channel][output]: magnitude of its weights
  std::vector<double> taps;                    // weights of an input channel for each output
  double signal = 0;                           // of its outputs, channels taken as independent
};

class Noise {
 public:
  Noise(const TiedChannels& group, const Observations& seen, const std::set<std::string>& quantized)
      : channels_(group.channels) {
    for (const Value* value : group.values) {
      const auto found = quantized.count(value->name) ? seen.find(value->name) : seen.end();
      if (found == seen.end() || found->second.magnitudes.size() != channels_) {
        clips_known_ &= !(value->producer() && clips_above(*value->producer()));
        continue;
      }
      const Observation& observation = found->second;
      const Node* producer = value->producer();
      const bool positive = producer && (producer->is("Relu") || clips_above(*producer));
      values_.push_back({observation.magnitudes, positive ? 1.0 / 255 : 2.0 / 255});
    }
    for (const Node* node : group.readers) add_reader(*node, seen.at(node->input(0)->name));
  }

  /// What the factors need to know was seen.
  bool known() const { return !values_.empty() && !readers_.empty() && clips_known_; }

  std::vector<float> factors(double strength) const {
    std::vector<float> relative(channels_, 0);
    for (const auto& [magnitudes, step] : values_) {
      float largest = *std::max_element(magnitudes.begin(), magnitudes.end());
      for (size_t c = 0; c < channels_ && largest > 0; ++c)
        relative[c] = std::max(relative[c], magnitudes[c] / largest);
    }
    std::vector<float> result(channels_);
    for (size_t c = 0; c < channels_; ++c)
      result[c] = static_cast<float>(std::pow(std::max(relative[c], least_relative), -strength));
    return result;
  }

  double of(const std::vector<float>& factors) const {
    double steps = 0;
    for (const auto& [magnitudes, step] : values_) {
      double largest = 0;
      for (size_t c = 0; c < channels_; ++c) largest = std::max(largest, double{factors[c]} * magnitudes[c]);
      steps += largest * step * largest * step;
    }
    double sum = 0;
    for (const Reader& reader : readers_) sum += noise_of(reader, factors, steps) / reader.signal;
    return sum / 12;
  }

 private:
  void add_reader(const Node& node, const Observation& input) {
    if (input.squares.sums.size() != channels_) return;
    const std::vector<double> squares = input.squares.means();
    const float* w = node.input(1)->constant().data<float>().data();
    const size_t outputs = output_channels(node);
    Reader reader;
    for (size_t c = 0; c < channels_; ++c) {
      std::vector<float> largest(outputs, 0);
      double power = 0, taps = 0;
      each_input_weight(node, c, [&](size_t i, size_t k) {
        power += double{w[i]} * w[i], ++taps;
        largest[k] = std::max(largest[k], std::fabs(w[i]));
      });
      reader.power.push_back(power);
      // Depthwise, the step of the one output follows the factor: nothing is lost.
      reader.taps.push_back(is_grouped(node) ? 0 : taps / static_cast<double>(outputs) * squares[c]);
      reader.signal += power * squares[c];
      reader.largest.push_back(std::move(largest));
    }
    if (reader.signal > 0) readers_.push_back(std::move(reader));
  }

  double noise_of(const Reader& reader, const std::vector<float>& factors, double steps) const {
    double activations = 0, inputs = 0, weights = 0;
    std::vector<float> largest(reader.largest[0].size(), 0);
    for (size_t c = 0; c < channels_; ++c) {
      const double s = factors[c];
      activations += reader.power[c] / (s * s);
      inputs += reader.taps[c] * s * s;
      for (size_t k = 0; k < largest.size(); ++k) largest[k] = std::max(largest[k], reader.largest[c][k] / factors[c]);
    }
    for (float l : largest) weights += double{l} / 127 * l / 127;
    return steps * activations + weights * inputs;
  }

  size_t channels_;
  bool clips_known_ = true;
  std::vector<std::pair<std::vector<float>, double>> values_;  // magnitudes of quantized ones; step of a range of 1
  std::vector<Reader> readers_;
};

void scale(Graph& graph, const TiedChannels& group, const std::vector<float>& factors) {
  for (Node* maker : group.makers) {
    float* weights = own_weights(graph, maker, 1);
    for (size_t c = 0; c < group.channels; ++c)
      each_output_weight(*maker, c, [&](size_t i) { weights[i] *= factors[c]; });
    if (maker->inputs().size() < 3 || !maker->input(2)) continue;
    float* bias = own_weights(graph, maker, 2);
    for (size_t c = 0; c < group.channels; ++c) bias[c] *= factors[c];
  }
  for (Node* reader : group.readers) {
    float* weights = own_weights(graph, reader, 1);
    for (size_t c = 0; c < group.channels; ++c)
      each_input_weight(*reader, c, [&](size_t i, size_t) { weights[i] /= factors[c]; });
  }
}

}  // namespace

std::vector<TiedChannels> tied_channels(const Graph& graph) {
  Ties ties;
  for (const Value* input : graph.inputs()) ties.fix(input);
  for (auto& node : graph.nodes()) {
    tie_node(ties, *node);
    for (const Value* value : node->outputs())  // an output of the graph, or read by the body of a loop
      if (graph.use_count(value) != value->uses().size()) ties.fix(value);
  }
  std::vector<TiedChannels> groups;
  std::map<const Value*, size_t> index;
  for (auto& node : graph.nodes()) {
    if (is_layer(*node) && !ties.is_fixed(node->input(0)))
      groups[index.at(ties.root(node->input(0)))].readers.push_back(node.get());
    Value* value = node->output();
    if (ties.is_fixed(value)) continue;
    auto [found, fresh] = index.try_emplace(ties.root(value), groups.size());
    if (fresh) groups.emplace_back();
    TiedChannels& group = groups[found->second];
    group.values.push_back(value);
    if (!is_layer(*node)) continue;
    group.makers.push_back(node.get());
    group.channels = output_channels(*node);
  }
  std::erase_if(groups, [](const TiedChannels& group) { return !is_of_use(group); });
  return groups;
}

bool align_tied_channels(Graph& graph, const TiedChannels& group, const Observations& seen,
                         const std::set<std::string>& quantized) {
  Noise noise(group, seen, quantized);
  if (!noise.known()) return false;
  double least = most_left * noise.of(std::vector<float>(group.channels, 1));
  std::vector<float> best;
  for (double strength : strengths) {
    std::vector<float> factors = noise.factors(strength);
    double expected = noise.of(factors);
    if (!(expected < least)) continue;
    least = expected;
    best = std::move(factors);
  }
  if (best.empty()) return false;
  scale(graph, group, best);
  return true;
}

}  // namespace hone
