#include "graph/insert.hpp"

#include <unordered_map>

#include "base/error.hpp"

namespace hone {

std::vector<Value*> insert_graph(Graph& graph, Node* position, const Graph& part, std::span<Value* const> inputs,
                                 const std::string& prefix) {
  if (inputs.size() != part.inputs().size())
    throw Error("graph '" + part.name + "'", "got " + std::to_string(inputs.size()) + " inputs, expected " +
                                                 std::to_string(part.inputs().size()));
  std::unordered_map<const Value*, Value*> twin{{nullptr, nullptr}};
  for (size_t i = 0; i < inputs.size(); ++i) twin[part.inputs()[i]] = inputs[i];
  for (const Value* constant : part.constants())
    twin[constant] = graph.add_constant(prefix + constant->name, constant->constant());
  for (auto& node : part.nodes()) {
    std::vector<Value*> arguments;
    for (const Value* input : node->inputs()) arguments.push_back(twin.at(input));
    int outputs = static_cast<int>(node->outputs().size());
    Node* made = position ? graph.insert_before(position, node->op().clone(), arguments, prefix + node->name, outputs)
                          : graph.add(node->op().clone(), arguments, prefix + node->name, outputs);
    for (size_t i = 0; i < node->outputs().size(); ++i) twin[node->output(i)] = made->output(i);
  }
  std::vector<Value*> results;
  for (const GraphOutput& output : part.outputs()) results.push_back(twin.at(output.value));
  return results;
}

}  // namespace hone
