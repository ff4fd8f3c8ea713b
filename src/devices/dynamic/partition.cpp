#include "devices/dynamic/partition.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "graph/cost.hpp"
#include "graph/ops/control/control.hpp"

namespace hone::dynamic {

namespace {

using Kind = Part::Kind;

/// A fixed part that reads and writes less than this is not worth a plan.
constexpr double least_bytes = 1 << 16;

bool known(const Value* value) { return value->shape().is_static() && value->dtype() != DType::string; }

bool is_heavy(const Node& node) {
  static constexpr std::array heavy = {"Conv",         "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv",
                                       "Gemm",         "MatMul",        "MatMulInteger", "QLinearMatMul", "Einsum",
                                       "Attention",    "LSTM",          "GRU",         "RNN"};
  return std::find(heavy.begin(), heavy.end(), std::string_view(node.op().type())) != heavy.end();
}

Kind kind_of(const Node& node) {
  bool inputs_known = true, outputs_known = true, strings = false;
  auto look = [&](const Value* value, bool& all_known) {
    if (!value) return;
    all_known = all_known && known(value);
    strings = strings || value->dtype() == DType::string;
  };
  for (const Value* input : node.inputs()) look(input, inputs_known);
  for (const Value* output : node.outputs()) look(output, outputs_known);
  if (strings || ops::control_op(node) || node.has(Trait::data_dependent)) return Kind::single;
  if (inputs_known) return outputs_known ? Kind::fixed : Kind::single;  // sizes that depend on values
  return Kind::specialized;
}

/// Nodes that are joined by values among them.
std::vector<std::vector<const Node*>> components(const std::vector<const Node*>& nodes) {
  std::unordered_map<const Node*, size_t> index;
  for (size_t i = 0; i < nodes.size(); ++i) index[nodes[i]] = i;
  std::vector<size_t> leader(nodes.size());
  std::iota(leader.begin(), leader.end(), size_t{0});
  auto find = [&](size_t i) {
    while (leader[i] != i) i = leader[i] = leader[leader[i]];
    return i;
  };
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const Value* input : nodes[i]->inputs())
      if (input && index.count(input->producer())) leader[find(i)] = find(index[input->producer()]);
  std::map<size_t, std::vector<const Node*>> groups;
  for (size_t i = 0; i < nodes.size(); ++i) groups[find(i)].push_back(nodes[i]);
  std::vector<std::vector<const Node*>> result;
  for (auto& [first, group] : groups) result.push_back(std::move(group));
  return result;
}

bool worth_compiling(const std::vector<const Node*>& nodes, Kind kind) {
  bool heavy = std::any_of(nodes.begin(), nodes.end(), [](const Node* node) { return is_heavy(*node); });
  if (heavy || kind == Kind::specialized) return heavy;
  double bytes = 0;
  for (const Node* node : nodes) bytes += node_bytes(*node);
  return bytes >= least_bytes;
}

}  // namespace

std::vector<Part> partition(const Graph& graph) {
  // A node's level is that of what it uses, and the next one where it comes before that in the order of kinds: so each
  // level runs its fixed nodes, then the specialized ones, then the single ones.
  using Stage = std::pair<int, Kind>;
  std::unordered_map<const Node*, Stage> stages;
  std::map<Stage, std::vector<const Node*>> by_stage;
  for (auto& node : graph.nodes()) {
    Stage stage{0, kind_of(*node)};
    for (const Value* input : node->inputs()) {
      if (!input || !input->producer()) continue;
      const Stage& before = stages.at(input->producer());
      stage.first = std::max(stage.first, before.first + (before.second > stage.second ? 1 : 0));
    }
    stages[node.get()] = stage;
    by_stage[stage].push_back(node.get());
  }
  std::vector<Part> parts;
  for (auto& [stage, nodes] : by_stage) {
    Kind kind = stage.second;
    if (kind != Kind::specialized) {
      parts.push_back({kind == Kind::fixed && !worth_compiling(nodes, kind) ? Kind::single : kind, std::move(nodes)});
      continue;
    }
    for (auto& group : components(nodes))
      parts.push_back({worth_compiling(group, kind) ? kind : Kind::single, std::move(group)});
  }
  return parts;
}

Graph extract(const Graph& graph, const std::vector<const Node*>& nodes, std::vector<const Value*>& inputs,
              std::vector<const Value*>& outputs) {
  Graph part;
  part.name = graph.name;
  std::unordered_set<const Node*> inside(nodes.begin(), nodes.end());
  std::unordered_map<const Value*, Value*> twin{{nullptr, nullptr}};
  auto bring = [&](const Value* value) {
    if (twin.count(value)) return;
    if (value->is_constant()) {
      twin[value] = part.add_constant(value->name, value->constant());
      return;
    }
    twin[value] = part.add_input(value->name, value->dtype(), value->shape());
    twin[value]->dims_value = value->dims_value;
    inputs.push_back(value);
  };
  for (const Node* node : nodes) {
    std::vector<Value*> arguments;
    for (const Value* input : node->inputs()) {
      bring(input);
      arguments.push_back(twin.at(input));
    }
    Node* made = part.add_untyped(node->op().clone(), std::move(arguments), node->name,
                                  static_cast<int>(node->outputs().size()));
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      const Value* value = node->output(i);
      made->output(i)->type = value->type;
      made->output(i)->dims_value = value->dims_value;
      part.rename(made->output(i), value->name);
      twin[value] = made->output(i);
    }
  }
  for (const Node* node : nodes)
    for (const Value* value : node->outputs()) {
      bool used_outside = graph.is_output(value) ||
                          std::any_of(value->uses().begin(), value->uses().end(),
                                      [&](const Use& use) { return !inside.count(use.node); });
      if (!used_outside) continue;
      outputs.push_back(value);
      part.add_output(value->name, twin.at(value));
    }
  return part;
}

bool is_fixed(const Graph& graph) {
  for (const Value* input : graph.inputs())
    if (!known(input)) return false;
  for (auto& node : graph.nodes()) {
    if (ops::control_op(*node)) return false;
    for (const Value* output : node->outputs())
      if (!known(output)) return false;
  }
  return std::all_of(graph.outputs().begin(), graph.outputs().end(),
                     [](const GraphOutput& output) { return known(output.value); });
}

bool is_heavy(const Graph& graph) {
  for (auto& node : graph.nodes()) {
    if (is_heavy(*node)) return true;
    if (const ops::ControlOp* control = ops::control_op(*node))
      for (const auto& body : control->bodies())
        if (body && is_heavy(*body)) return true;
  }
  return false;
}

}  // namespace hone::dynamic
