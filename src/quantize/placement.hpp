#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// Values that must have one scale because an op between them copies elements.
struct ScaleClass {
  const Value* representative = nullptr;  ///< its range is the range of the class
  std::vector<Value*> members;            ///< in graph order
  bool signed_type = false;               ///< i8 with zero point 0: second factors of matrix products
};

/// Which nodes run in int8 and which values are quantized.
struct Placement {
  std::vector<Node*> layers;         ///< int8 nodes with constant weights, in order
  std::set<const Node*> int8;        ///< all int8 nodes
  std::vector<NodeReport> nodes;     ///< every node that computes floats
  std::vector<ScaleClass> classes;   ///< of quantized values, in order
  std::map<const Value*, int> class_of;
  /// Constant inputs of int8 Concats, quantized as the output's class.
  std::vector<Use> constant_inputs;

  const ScaleClass& class_for(const Value* value) const { return classes[static_cast<size_t>(class_of.at(value))]; }
};

/// Decides by propagation. Convolutions and matrix products with fp32 inputs run in int8. Pools, additions,
/// concatenations, activations ... do when all their inputs come from int8 nodes and an int8 node uses their result;
/// hence preprocessing before the first layer, the final logits and everything else stay fp32. An activation that a
/// kernel fuses into the node before it has no quantizer in between. Throws Error for an ignored name that matches
/// nothing in `graph` or `original_names`.
Placement place_quantizers(const Graph& graph, const QuantizeOptions& options,
                           const std::vector<std::string>& original_names);

/// True when input `index` of `node` carries activations that an int8 node wants quantized.
bool is_activation_input(const Node& node, int index);
/// Inputs of a node that carry activations to be quantized (float, not constant).
std::vector<size_t> activation_inputs(const Node& node);
/// The axis of the output channels of a layer's constant weights (input 1); -1: one scale for all.
int weight_axis(const Node& node);

}  // namespace hone
