#pragma once
#include "graph/graph.hpp"

namespace hone {

/// Floating-point operations of a node, a multiplication and an addition counted as two; 0 where shapes are not known.
double node_flops(const Node& node);
/// Bytes of its inputs (weights included) and outputs.
double node_bytes(const Node& node);
/// Elements of all float and quantized constants with more than one element that nodes use: the "parameters".
int64_t parameter_count(const Graph& graph);

}  // namespace hone
