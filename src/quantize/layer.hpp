#pragma once
#include <optional>
#include <vector>

#include "graph/graph.hpp"

/// What the methods want to know of a layer: a convolution or matrix product with constant weights.
namespace hone {

/// The input that carries activations.
const Value* layer_input(const Node& layer);
/// The channel axis of that input; -1 where it is not known.
int input_channel_axis(const Node& layer);
/// The channel axis of the output; -1 where it is not known.
int output_channel_axis(const Node& layer);
size_t output_channels(const Node& layer);

/// Where a layer's bias is: input 2 (maybe absent), or the constant of the Add behind a MatMul.
struct BiasPlace {
  Node* node = nullptr;
  size_t index = 0;
  bool inside = true;  ///< an input of the layer itself
  float factor = 1;    ///< the layer adds factor * bias (Gemm's beta)
};
/// nullopt when the layer has no place for a bias of one number a channel. `is_part` says whether the Add behind a
/// MatMul belongs to the layer.
std::optional<BiasPlace> bias_place(Node& layer, bool add_is_part);
/// One number a channel; zeros where there is no bias yet.
std::vector<float> bias_values(const BiasPlace& place, size_t channels);

/// The layers of a graph: those of int8_form() with constant weights.
std::vector<Node*> constant_layers(const Graph& graph);

}  // namespace hone
