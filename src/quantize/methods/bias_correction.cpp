#include "quantize/methods/bias_correction.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/interrupt.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/observer.hpp"

namespace hone {

namespace {

// The samples that are compared: the means settle early, and each layer runs the model up to itself.
constexpr size_t most_samples = 16;

// A layer of the quantized graph and where its bias can be changed.
struct Target {
  std::string output;
  int axis;
  Node* bias_node;
  size_t bias_index;
  bool integers;  // an i32 constant behind DequantizeLinear
};

bool has_constant_scales(const Node& node) {
  return node.input(0)->is_constant() && node.input(0)->dtype() == DType::i32 && node.input(1)->is_constant();
}

// The float Add with a constant along the channels that stands behind a MatMul.
std::optional<Target> add_behind(const Graph& graph, const Node& product, int axis) {
  const Value* value = product.output();
  if (graph.use_count(value) != 1 || value->uses().size() != 1) return std::nullopt;
  Node* add = value->uses()[0].node;
  size_t other = static_cast<size_t>(1 - value->uses()[0].index);
  if (!add->is("Add") || !constant_f32(add->input(other))) return std::nullopt;
  const Tensor& bias = add->input(other)->constant();
  if (bias.rank() == 0 || bias.dim(-1) != bias.size()) return std::nullopt;
  return Target{value->name, axis, add, other, false};
}

std::optional<Target> target_of(const Graph& graph, Node* node, const Graph& exact) {
  if (!is_layer_type(*node) || !node->input(1)->producer() || !node->input(1)->producer()->is("DequantizeLinear"))
    return std::nullopt;
  const Value* same = exact.find_value(node->output()->name);
  if (!same || !node->input(1)->producer()->input(0)->is_constant()) return std::nullopt;
  if (node->is("MatMul")) return add_behind(graph, *node, same->shape().rank() - 1);
  const Value* bias = node->input(2);
  Node* dequantize = bias ? bias->producer() : nullptr;
  if (!dequantize || !dequantize->is("DequantizeLinear") || !has_constant_scales(*dequantize)) return std::nullopt;
  return Target{node->output()->name, 1, dequantize, 0, true};
}

// The mean of each channel (of axes[i]) of each value over the samples; empty where the axis does not exist.
std::vector<std::vector<double>> channel_means(Probe probe, const SampleStream& samples, const std::vector<int>& axes) {
  std::vector<std::vector<double>> sums(axes.size());
  std::vector<double> counts(axes.size(), 0);
  for (size_t s = 0; s < std::min(most_samples, samples.kept().size()); ++s) {
    check_interrupt("quantize");
    std::vector<Tensor> values = probe.run(samples.kept()[s]);
    for (size_t v = 0; v < values.size(); ++v) {
      const Tensor& value = values[v];
      if (value.rank() <= axes[v] || value.size() == 0) continue;
      size_t channels = static_cast<size_t>(value.dim(axes[v])), inner = 1;
      for (int i = axes[v] + 1; i < value.rank(); ++i) inner *= static_cast<size_t>(value.dim(i));
      sums[v].resize(channels);
      auto data = value.data<float>();
      for (size_t i = 0; i < data.size(); ++i) sums[v][i / inner % channels] += data[i];
      counts[v] += static_cast<double>(data.size() / channels);
    }
  }
  for (size_t v = 0; v < sums.size(); ++v)
    for (double& sum : sums[v]) sum /= counts[v];
  return sums;
}

void subtract(Graph& graph, const Target& target, const std::vector<double>& shift) {
  Value* value = target.bias_node->input(target.bias_index);
  const Tensor& old = value->constant();
  Tensor changed = old.clone();
  if (target.integers) {
    std::vector<float> scales = target.bias_node->input(1)->constant().to_floats();
    auto out = changed.mutable_data<int32_t>();
    for (size_t i = 0; i < out.size(); ++i) {
      double next = out[i] - shift[i] / static_cast<double>(scales[i % scales.size()]);
      out[i] = static_cast<int32_t>(std::clamp(std::nearbyint(next), -2147483647.0, 2147483647.0));
    }
  } else {
    auto out = changed.mutable_data<float>();
    for (size_t i = 0; i < out.size(); ++i) out[i] -= static_cast<float>(shift[i]);
  }
  Value* constant = graph.add_constant(value->name, changed);
  graph.set_input(target.bias_node, target.bias_index, constant);
}

}  // namespace

int correct_biases(Graph& quantized, const Graph& exact, const MakeRunner& make_runner, const SampleStream& samples,
                   Progress& progress) {
  std::vector<Target> targets;
  for (Node* node : quantized.node_list())
    if (auto target = target_of(quantized, node, exact)) targets.push_back(*target);
  std::vector<std::string> outputs;
  std::vector<int> axes;
  for (const Target& target : targets) {
    outputs.push_back(target.output);
    axes.push_back(target.axis);
  }
  if (targets.empty()) return 0;
  auto wanted = channel_means(Probe(exact, outputs, make_runner), samples, axes);
  progress.begin("correct biases", static_cast<int64_t>(targets.size()));
  int corrected = 0;
  for (size_t t = 0; t < targets.size(); ++t) {
    const Target& target = targets[t];
    progress.update(static_cast<int64_t>(t));
    std::vector<double> shift =
        channel_means(Probe(quantized, {target.output}, make_runner), samples, {target.axis})[0];
    size_t size = static_cast<size_t>(target.bias_node->input(target.bias_index)->constant().size());
    if (wanted[t].size() != size || shift.size() != size) continue;
    for (size_t c = 0; c < size; ++c) shift[c] -= wanted[t][c];
    subtract(quantized, target, shift);
    ++corrected;
  }
  progress.end();
  quantized.remove_dead();
  return corrected;
}

}  // namespace hone
