#pragma once
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.hpp"

/// What is known about single ops: which have integer kernels, and how quantization sees their inputs.
namespace hone {

enum class Int8Form {
  none,      ///< no integer kernel
  follower,  ///< int8 when its neighbors are
  layer,     ///< worth int8 by itself: convolutions and matrix products
};

struct Int8Verdict {
  Int8Form form = Int8Form::none;
  std::string reason;  ///< why none
};

/// Whether integer kernels exist for a node of an optimized graph; follows what compile lowers to integers.
Int8Verdict int8_form(const Node& node);

/// True for Conv, ConvTranspose, Gemm and MatMul.
bool is_layer_type(const Node& node);
/// Output elements are input elements, or lie between them, so that the input's scale serves the output.
bool keeps_scale(const Node& node);
/// True when input `index` of `node` carries activations that an int8 node wants quantized.
bool is_activation_input(const Node& node, int index);
/// Inputs of a node that carry activations to be quantized (float, not constant).
std::vector<size_t> activation_inputs(const Node& node);
/// The f32 constants that an int8 Concat, Add, Sub or Mul takes beside activations.
std::vector<size_t> constant_operands(const Node& node);
/// The axis of the output channels of a layer's constant weights (input 1); -1: one scale for all.
int weight_axis(const Node& node);
/// True for an f32 constant.
bool constant_f32(const Value* value);

/// The nodes behind `head` that a kernel applies to its result before storing it, in order: the constant Add that is a
/// matrix product's bias (or that shifts a constant Mul), then the activation. Nodes for which `keep_apart` is true end
/// it.
std::vector<Node*> fused_tail(const Graph& graph, const Node& head, const std::function<bool(const Node&)>& keep_apart);
/// The index of the constant of an Add that is the bias of the MatMul `layer`; -1 when `add` is no such node.
int bias_index(const Node& add, const Node& layer);

}  // namespace hone
