#pragma once
#include <span>
#include <vector>

#include "graph/graph.hpp"

namespace hone::app {

/// The part of a model that computes the outputs `to` from the values `from`, which become its inputs in this order.
/// Inputs of the model that the part needs beside them follow under their own names.
Graph subgraph(const Graph& model, std::span<const Value* const> from, std::span<const GraphOutput> to);

/// The values that an output of the model depends on, in the order in which they are computed; constants and inputs are
/// left out.
std::vector<const Value*> computed_values(const Graph& model);

/// The value with a constant's elements: of a constant, or what nodes make of constants alone (the DequantizeLinear of
/// a stored weight); not defined for any other.
Tensor constant_value(const Value* value);

}  // namespace hone::app
