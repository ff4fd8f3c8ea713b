#include "quantize/methods/equalize.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/layer.hpp"

namespace hone {

namespace {

constexpr int most_rounds = 20;
constexpr double settled = 1e-3, least_range = 1e-8;

struct Pair {
  Node *first, *second;
  size_t channels;
};

bool is_depthwise(const Node& node) {
  const auto* conv = node.as<ops::Conv>();
  return conv && conv->group > 1;
}

// Weights in which the outputs (of the first layer) or inputs (of the second) of channel c can be scaled.
bool is_scalable(const Node& node, bool as_second) {
  if (node.as<ops::Conv>()) {
    // In a grouped convolution inputs belong to groups; with one input a group, input c is output block c.
    return !as_second || !is_depthwise(node) || node.input(1)->constant().dim(1) == 1;
  }
  const auto* gemm = node.as<ops::Gemm>();
  return gemm && !gemm->transA;
}

bool has_only_use(const Graph& graph, const Value* value) {
  return graph.use_count(value) == 1 && value->uses().size() == 1;
}

bool is_homogeneous(const Node& node) {
  for (const char* type :
       {"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity"})
    if (node.is(type)) return node.outputs().size() == 1;
  return node.is("PRelu") && node.input(1)->is_constant();
}

std::optional<Pair> pair_behind(const Graph& graph, Node* first) {
  if (!is_scalable(*first, false) || !bias_place(*first, false)) return std::nullopt;
  const Value* value = first->output();
  while (has_only_use(graph, value)) {
    Node* next = value->uses()[0].node;
    if (value->uses()[0].index != 0) return std::nullopt;
    if (is_homogeneous(*next)) {
      value = next->output();
      continue;
    }
    bool same_rank = first->output()->shape().rank() == next->input(0)->shape().rank();
    if (!is_layer_type(*next) || !constant_f32(next->input(1)) || !is_scalable(*next, true) || !same_rank)
      return std::nullopt;
    return Pair{first, next, output_channels(*first)};
  }
  return std::nullopt;
}

// visit(index of a weight) for all weights of output channel c.
template <class Visit>
void each_output_weight(const Node& node, size_t c, Visit visit) {
  const Tensor& w = node.input(1)->constant();
  const auto* gemm = node.as<ops::Gemm>();
  if (gemm && !gemm->transB) {
    for (int64_t k = 0; k < w.dim(0); ++k) visit(static_cast<size_t>(k * w.dim(1)) + c);
    return;
  }
  size_t length = static_cast<size_t>(w.size() / w.dim(0));
  for (size_t i = 0; i < length; ++i) visit(c * length + i);
}

// The same for all weights that input channel c meets.
template <class Visit>
void each_input_weight(const Node& node, size_t c, Visit visit) {
  const Tensor& w = node.input(1)->constant();
  size_t outputs = static_cast<size_t>(w.dim(0)), per_output = static_cast<size_t>(w.size()) / outputs;
  if (const auto* gemm = node.as<ops::Gemm>()) {
    size_t columns = static_cast<size_t>(w.dim(1));
    for (size_t i = 0; i < (gemm->transB ? outputs : columns); ++i)
      visit(gemm->transB ? i * columns + c : c * columns + i);
    return;
  }
  const auto* conv = node.as<ops::Conv>();
  if (is_depthwise(node)) {
    size_t multiplier = outputs / static_cast<size_t>(conv->group);
    for (size_t i = 0; i < multiplier * per_output; ++i) visit(c * multiplier * per_output + i);
    return;
  }
  size_t inputs = static_cast<size_t>(w.dim(1)), taps = per_output / inputs;
  for (size_t m = 0; m < outputs; ++m)
    for (size_t t = 0; t < taps; ++t) visit((m * inputs + c) * taps + t);
}

size_t input_channels(const Node& node) {
  const Tensor& w = node.input(1)->constant();
  if (const auto* gemm = node.as<ops::Gemm>()) return static_cast<size_t>(w.dim(gemm->transB ? 1 : 0));
  return static_cast<size_t>(w.dim(1) * node.as<ops::Conv>()->group);
}

// Weights that may be written; other users of the same constant keep theirs.
float* own_weights(Graph& graph, Node* node, size_t input) {
  Value* value = node->input(input);
  Tensor copy = value->constant().clone();
  float* data = copy.mutable_data<float>().data();
  if (graph.use_count(value) == 1) graph.set_constant(value, copy);
  else graph.set_input(node, input, graph.add_constant(value->name + "_own", copy));
  return data;
}

// Scales one pair; returns the largest change of a scale.
double equalize_pair(Graph& graph, const Pair& pair, std::vector<double>& total) {
  const float *a = pair.first->input(1)->constant().data<float>().data(),
              *b = pair.second->input(1)->constant().data<float>().data();
  std::vector<double> scales(pair.channels, 1);
  double change = 0;
  for (size_t c = 0; c < pair.channels; ++c) {
    double r1 = 0, r2 = 0;
    each_output_weight(*pair.first, c, [&](size_t i) { r1 = std::max(r1, std::fabs(static_cast<double>(a[i]))); });
    each_input_weight(*pair.second, c, [&](size_t i) { r2 = std::max(r2, std::fabs(static_cast<double>(b[i]))); });
    if (r1 < least_range || r2 < least_range) continue;  // a dead channel
    scales[c] = std::sqrt(r1 * r2) / r2;
    change = std::max(change, std::fabs(std::log(scales[c])));
  }
  if (change < settled) return change;
  float* first = own_weights(graph, pair.first, 1);
  float* second = own_weights(graph, pair.second, 1);
  float* bias = pair.first->input(2) ? own_weights(graph, pair.first, 2) : nullptr;
  for (size_t c = 0; c < pair.channels; ++c) {
    float scale = static_cast<float>(scales[c]);
    each_output_weight(*pair.first, c, [&](size_t i) { first[i] /= scale; });
    each_input_weight(*pair.second, c, [&](size_t i) { second[i] *= scale; });
    if (bias) bias[c] /= scale;
    total[c] *= scales[c];
  }
  return change;
}

bool has_channel_bias(const Pair& pair) {
  const Value* bias = pair.first->input(2);
  return !bias || bias->constant().size() == static_cast<int64_t>(pair.channels);
}

}  // namespace

int equalize(Graph& graph) {
  std::vector<Pair> pairs;
  for (Node* layer : constant_layers(graph))
    if (auto pair = pair_behind(graph, layer);
        pair && input_channels(*pair->second) == pair->channels && has_channel_bias(*pair))
      pairs.push_back(*pair);
  std::vector<std::vector<double>> totals;
  for (const Pair& pair : pairs) totals.emplace_back(pair.channels, 1);
  for (int round = 0; round < most_rounds; ++round) {
    double change = 0;
    for (size_t i = 0; i < pairs.size(); ++i) change = std::max(change, equalize_pair(graph, pairs[i], totals[i]));
    if (change < settled) break;
  }
  int count = 0;
  for (const auto& total : totals)
    count += static_cast<int>(std::count_if(total.begin(), total.end(), [](double s) { return s != 1; }));
  return count;
}

}  // namespace hone
