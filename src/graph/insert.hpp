#pragma once
#include <span>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// Copies the nodes of `part` into `graph`, before `position` (nullptr: at the end). `inputs` take the place of the
/// inputs of `part`. Names of nodes get `prefix` in front. Returns what the outputs of `part` became; they may be
/// inputs.
std::vector<Value*> insert_graph(Graph& graph, Node* position, const Graph& part, std::span<Value* const> inputs,
                                 const std::string& prefix);

}  // namespace hone
