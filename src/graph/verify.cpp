#include "graph/verify.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/ops/control/control.hpp"

namespace hone {

namespace {

[[noreturn]] void broken(const std::string& place, const std::string& problem) { throw Error(place, problem); }
std::string place_of(const Value* value) { return "value '" + value->name + "'"; }

/// Every value that the graph owns.
std::vector<const Value*> all_values(const Graph& graph) {
  std::vector<const Value*> values(graph.inputs().begin(), graph.inputs().end());
  for (const Value* constant : graph.constants()) values.push_back(constant);
  for (auto& node : graph.nodes()) values.insert(values.end(), node->outputs().begin(), node->outputs().end());
  return values;
}

// Compares addresses only: a foreign value may be gone.
void owned(const Graph& graph) {
  auto list = all_values(graph);
  std::unordered_set<const Value*> known(list.begin(), list.end());
  for (auto& node : graph.nodes())
    for (size_t i = 0; i < node->inputs().size(); ++i)
      if (node->input(i) && !known.count(node->input(i)))
        broken(node->place(), fmt::format("input {} is a value of no node, input or constant of this graph", i));
  for (const GraphOutput& output : graph.outputs())
    if (!output.value || !known.count(output.value))
      broken("output '" + output.name + "'", "is a value of no node, input or constant of this graph");
}

void names(const Graph& graph) {
  std::unordered_set<std::string> values, nodes, outputs;
  for (const Value* value : all_values(graph)) {
    if (value->name.empty()) broken("graph '" + graph.name + "'", "a value has no name");
    if (!values.insert(value->name).second) broken(place_of(value), "has a name that another value has too");
    if (graph.find_value(value->name) != value) broken(place_of(value), "is not found by its name");
  }
  for (auto& node : graph.nodes()) {
    if (node->name.empty()) broken(node->place(), "has no name");
    if (!nodes.insert(node->name).second) broken(node->place(), "has a name that another node has too");
  }
  for (const GraphOutput& output : graph.outputs())
    if (output.name.empty() || !outputs.insert(output.name).second)
      broken("output '" + output.name + "'", output.name.empty() ? "has no name" : "is there twice");
}

void producers(const Graph& graph) {
  for (auto& node : graph.nodes())
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      const Value* value = node->output(i);
      if (value->producer() != node.get() || value->output_index() != static_cast<int>(i))
        broken(place_of(value), "does not know that " + node->place() + " makes it");
      if (value->is_constant() || value->is_input())
        broken(place_of(value), "is made by a node but is a constant or an input too");
    }
}

void order(const Graph& graph) {
  std::unordered_set<const Node*> seen;
  for (auto& node : graph.nodes()) {
    for (const Value* input : node->inputs())
      if (input && input->producer() && !seen.count(input->producer()))
        broken(node->place(),
               fmt::format("comes before {}, which makes its input '{}'", input->producer()->place(), input->name));
    seen.insert(node.get());
  }
}

void uses(const Graph& graph) {
  std::map<std::pair<const Value*, std::pair<const Node*, int>>, int> balance;  // uses by nodes less entries in lists
  for (auto& node : graph.nodes())
    for (size_t i = 0; i < node->inputs().size(); ++i)
      if (node->input(i)) ++balance[{node->input(i), {node.get(), static_cast<int>(i)}}];
  for (const Value* value : all_values(graph))
    for (const Use& use : value->uses()) --balance[{value, {use.node, use.index}}];
  for (auto& [key, count] : balance) {
    auto& [value, use] = key;
    if (count > 0)
      broken(use.first->place(), fmt::format("uses '{}' as input {}, which does not know it", value->name, use.second));
    if (count < 0)
      broken(place_of(value), fmt::format("lists a use as input {} of a node that does not use it so", use.second));
  }
}

void counts(const Graph& graph) {
  for (auto& node : graph.nodes()) {
    OpSpec spec = node->op().spec();
    auto check = [&](const char* what, size_t count, int low, int high) {
      if (static_cast<int>(count) < low || (high >= 0 && static_cast<int>(count) > high))
        broken(node->place(), fmt::format("has {} {}, expected {} to {}", count, what, low,
                                          high < 0 ? std::string("any number") : std::to_string(high)));
    };
    check("inputs", node->inputs().size(), spec.min_inputs, spec.max_inputs);
    check("outputs", node->outputs().size(), spec.min_outputs, spec.max_outputs);
    for (int i = 0; i < spec.min_inputs; ++i)
      if (!node->input(static_cast<size_t>(i))) broken(node->place(), fmt::format("input {} is missing", i));
  }
}

void typed(const Graph& graph) {
  for (const Value* value : all_values(graph)) {
    if (value->dtype() == DType::undefined) {
      const Node* node = value->producer();
      bool wanted = !node || graph.use_count(value) > 0;  // an optional output that nobody wants may stay open
      if (wanted) broken(place_of(value), "has no element type");
    }
    if (value->is_constant() && value->type != Type{value->constant().dtype(), Shape(value->constant().dims())})
      broken(place_of(value), "is " + to_string(value->type) + ", its data are not");
  }
}

void inferred(const Graph& graph) {
  for (auto& node : graph.nodes()) {
    InferContext context(*node);
    node->op().infer(context);
    for (size_t i = 0; i < node->outputs().size(); ++i)
      if (context.outputs[i] != node->output(i)->type)
        broken(node->place(), fmt::format("output {} is stored as {}, its inputs make it {}", i,
                                          to_string(node->output(i)->type), to_string(context.outputs[i])));
  }
}

void bodies(const Graph& graph) {
  for (auto& node : graph.nodes()) {
    const ops::ControlOp* control = ops::control_op(*node);
    if (!control) continue;
    for (const auto& body : control->bodies()) {
      if (!body) broken(node->place(), "has no body");
      try {
        verify(*body);
      } catch (const Error& error) {
        throw Error(error.place() + " in " + node->place(), error.problem(), error.remedy());
      }
    }
  }
}

struct Rule {
  const char* name;
  void (*check)(const Graph&);
};

// Later rules rely on earlier ones.
constexpr Rule rules[] = {
    {"values belong to the graph", owned},
    {"names are there and unique", names},
    {"values know what makes them", producers},
    {"nodes come after what they use", order},
    {"values know their uses", uses},
    {"nodes have the inputs and outputs of their op", counts},
    {"values have types", typed},
    {"bodies are sound graphs", bodies},
    {"types are what the shape rules say", inferred},
};

}  // namespace

void verify(const Graph& graph) {
  for (const Rule& rule : rules) {
    try {
      rule.check(graph);
    } catch (const Error& error) {
      throw Error(error.place(), fmt::format("{} (rule: {})", error.problem(), rule.name), error.remedy());
    }
  }
}

std::vector<std::string> verify_rules() {
  std::vector<std::string> result;
  for (const Rule& rule : rules) result.push_back(rule.name);
  return result;
}

bool has_huge_size(const Shape& shape) {
  constexpr int64_t largest = int64_t{1} << 48;
  return std::any_of(shape.dims.begin(), shape.dims.end(), [](const Dim& dim) { return dim.value > largest; });
}

void throw_huge_size(const std::string& place, const Shape& shape) {
  throw Error(place, "has shape " + to_string(shape) + ", and no memory holds a size above 2^48");
}

}  // namespace hone
