#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/names.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// Values that must have one scale because an op between them copies elements.
struct ScaleClass {
  const Value* representative = nullptr;  ///< its range is the range of the class
  std::vector<Value*> members;            ///< in graph order
  bool signed_type = false;               ///< i8 with zero point 0: second factors of matrix products
};

/// Which nodes run in int8 and which values are quantized.
struct QuantizerPlacement {
  std::vector<Node*> layers;         ///< int8 nodes with constant weights, in order
  std::set<const Node*> int8;        ///< all int8 nodes
  std::vector<NodeReport> nodes;     ///< every node that computes floats
  std::vector<ScaleClass> classes;   ///< of quantized values, in order
  std::map<const Value*, int> class_of;
  /// Constant inputs of int8 nodes: those of Concats are quantized as the output's class, others by their own range.
  std::vector<Use> constant_inputs;
  /// Int8 nodes that compute something, in order: what can be turned back to fp32 one by one.
  std::vector<Node*> units;

  const ScaleClass& class_for(const Value* value) const { return classes[static_cast<size_t>(class_of.at(value))]; }
};

/// Decides by propagation. Convolutions and matrix products with fp32 inputs run in int8. Pools, additions,
/// concatenations, activations ... do when all their inputs come from int8 nodes and an int8 node uses their result;
/// hence preprocessing before the first layer, the final logits and everything else stay fp32. An activation that a
/// kernel fuses into the node before it has no quantizer in between. Throws Error for an ignored name that matches
/// nothing in `graph` or `original`.
QuantizerPlacement place_quantizers(const Graph& graph, const QuantizeOptions& options,
                           const OriginalNames& original);

}  // namespace hone
