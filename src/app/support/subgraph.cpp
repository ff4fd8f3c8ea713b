#include "app/support/subgraph.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace hone::app {

namespace {

/// Nodes that `to` depends on, not looking behind the values `from`.
std::unordered_set<const Node*> needed_nodes(std::span<const Value* const> from, std::span<const GraphOutput> to) {
  std::unordered_set<const Value*> stop(from.begin(), from.end());
  std::unordered_set<const Node*> needed;
  std::vector<const Value*> open;
  for (const GraphOutput& output : to) open.push_back(output.value);
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (!value || stop.count(value) || !value->producer() || !needed.insert(value->producer()).second) continue;
    open.insert(open.end(), value->producer()->inputs().begin(), value->producer()->inputs().end());
  }
  return needed;
}

}  // namespace

Graph subgraph(const Graph& model, std::span<const Value* const> from, std::span<const GraphOutput> to) {
  Graph part;
  part.name = model.name;
  part.metadata = model.metadata;
  std::unordered_map<const Value*, Value*> twin{{nullptr, nullptr}};
  for (const Value* value : from) twin[value] = part.add_input(value->name, value->dtype(), value->shape());
  auto twin_of = [&](const Value* value) {
    if (auto found = twin.find(value); found != twin.end()) return found->second;
    return twin[value] = value->is_constant() ? part.add_constant(value->name, value->constant())
                                              : part.add_input(value->name, value->dtype(), value->shape());
  };
  std::unordered_set<const Node*> needed = needed_nodes(from, to);
  for (const auto& node : model.nodes()) {
    if (!needed.count(node.get())) continue;
    std::vector<Value*> inputs;
    for (const Value* input : node->inputs()) inputs.push_back(twin_of(input));
    Node* made = part.add(node->op().clone(), inputs, node->name, static_cast<int>(node->outputs().size()));
    for (size_t i = 0; i < node->outputs().size(); ++i) twin.emplace(node->output(i), made->output(i));
  }
  for (const GraphOutput& output : to) part.add_output(output.name, twin_of(output.value));
  return part;
}

std::vector<const Value*> computed_values(const Graph& model) {
  std::unordered_set<const Node*> needed = needed_nodes({}, model.outputs());
  std::vector<const Value*> values;
  for (const auto& node : model.nodes())
    if (needed.count(node.get())) values.insert(values.end(), node->outputs().begin(), node->outputs().end());
  return values;
}

Tensor constant_value(const Value* value) {
  if (!value) return {};
  if (value->is_constant()) return value->constant();
  const Node* node = value->producer();
  if (!node || node->has(Trait::random)) return {};
  std::vector<Tensor> inputs;
  std::vector<const Tensor*> given;
  for (const Value* input : node->inputs()) {
    inputs.push_back(constant_value(input));
    if (input && !inputs.back().defined()) return {};
  }
  for (size_t i = 0; i < inputs.size(); ++i) given.push_back(node->input(i) ? &inputs[i] : nullptr);
  return evaluate_node(*node, given).at(static_cast<size_t>(value->output_index()));
}

}  // namespace hone::app
