#pragma once
#include <cstdint>

#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"

/// Which weights of a layer belong to which channel: for methods that move factors between layers.
namespace hone {

/// More than one group.
inline bool is_grouped(const Node& node) {
  const auto* conv = node.as<ops::Conv>();
  return conv && conv->group > 1;
}

/// f(s x) = s f(x) for s > 0, channel by channel, of input 0.
inline bool is_homogeneous(const Node& node) {
  for (const char* type :
       {"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity"})
    if (node.is(type)) return node.outputs().size() == 1;
  return node.is("PRelu") && node.input(1)->is_constant();
}

/// Whether the outputs of channel c can be scaled in the weights of a convolution or Gemm with constant weights.
inline bool has_output_channels(const Node& node) {
  const auto* gemm = node.as<ops::Gemm>();
  return node.as<ops::Conv>() || (gemm && !gemm->transA);
}

/// Whether the inputs of channel c can be. In a grouped convolution inputs belong to groups; with one input a group,
/// input c is output block c.
inline bool has_input_channels(const Node& node) {
  return has_output_channels(node) && (!is_grouped(node) || node.input(1)->constant().dim(1) == 1);
}

inline size_t input_channels(const Node& node) {
  const Tensor& w = node.input(1)->constant();
  if (const auto* gemm = node.as<ops::Gemm>()) return static_cast<size_t>(w.dim(gemm->transB ? 1 : 0));
  return static_cast<size_t>(w.dim(1) * node.as<ops::Conv>()->group);
}

/// visit(index of a weight) for all weights of output channel c.
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

/// visit(index of a weight, its output channel) for all weights that input channel c meets.
template <class Visit>
void each_input_weight(const Node& node, size_t c, Visit visit) {
  const Tensor& w = node.input(1)->constant();
  size_t outputs = static_cast<size_t>(w.dim(0)), per_output = static_cast<size_t>(w.size()) / outputs;
  if (const auto* gemm = node.as<ops::Gemm>()) {
    size_t columns = static_cast<size_t>(w.dim(1));
    for (size_t i = 0; i < (gemm->transB ? outputs : columns); ++i)
      visit(gemm->transB ? i * columns + c : c * columns + i, i);
    return;
  }
  const auto* conv = node.as<ops::Conv>();
  if (is_grouped(node)) {
    size_t multiplier = outputs / static_cast<size_t>(conv->group);
    for (size_t i = 0; i < multiplier * per_output; ++i)
      visit(c * multiplier * per_output + i, c * multiplier + i / per_output);
    return;
  }
  size_t inputs = static_cast<size_t>(w.dim(1)), taps = per_output / inputs;
  for (size_t m = 0; m < outputs; ++m)
    for (size_t t = 0; t < taps; ++t) visit((m * inputs + c) * taps + t, m);
}

/// The weights or bias (input `input`) of a layer, to be written; other users of the same constant keep theirs.
inline float* own_weights(Graph& graph, Node* node, size_t input) {
  Value* value = node->input(input);
  Tensor copy = value->constant().clone();
  float* data = copy.mutable_data<float>().data();
  if (graph.use_count(value) == 1) graph.set_constant(value, copy);
  else graph.set_input(node, input, graph.add_constant(value->name + "_own", copy));
  return data;
}

}  // namespace hone
