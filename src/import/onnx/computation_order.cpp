#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/model.hpp"

namespace hone::onnx {

namespace {

constexpr size_t no_node = SIZE_MAX;
const char* const broken = "the file is broken; export the model again";

/// Where each value comes from: the index of a node, or no_node for inputs and initializers.
using Sources = std::unordered_map<std::string, size_t>;

std::string source_place(const GraphDef& graph, size_t source) {
  return source == no_node ? "an input or initializer" : graph.nodes[source].place();
}

Sources find_sources(const GraphDef& graph) {
  Sources sources;
  for (const ConstantDef& constant : graph.initializers)
    if (!sources.emplace(constant.name, no_node).second)
      throw Error("initializer '" + constant.name + "'", "is defined twice", broken);
  std::unordered_set<std::string> inputs;
  for (const ValueDef& input : graph.inputs) {
    if (!inputs.insert(input.name).second) throw Error("input '" + input.name + "'", "is defined twice", broken);
    sources.emplace(input.name, no_node);  // may be an initializer too: a default value
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const std::string& output : graph.nodes[i].outputs) {
      if (output.empty()) continue;
      auto [it, fresh] = sources.emplace(output, i);
      if (!fresh)
        throw Error(
            graph.nodes[i].place(),
            fmt::format("produces value '{}', which {} defines already", output, source_place(graph, it->second)),
            broken);
    }
  return sources;
}

void check_outputs(const GraphDef& graph, const Sources& sources, FunctionRef<bool(const std::string&)> outside) {
  for (const ValueDef& output : graph.outputs)
    if (!sources.count(output.name) && !outside(output.name))
      throw Error("output '" + output.name + "'", "is a value that nothing produces", broken);
}

/// Calls use(name) for everything that the node reads, its graphs included.
template <class F>
void for_each_input(const NodeDef& node, F use) {
  for (const std::string& input : node.inputs)
    if (!input.empty()) use(input);
  for (auto& [attribute, graph] : node.graphs)
    for (const std::string& name : graph->captured) use(name);
}

[[noreturn]] void report_cycle(const GraphDef& graph, const std::string& place, const std::vector<size_t>& waiting) {
  std::string names;
  int listed = 0;
  for (size_t i = 0; i < waiting.size() && listed < 5; ++i)
    if (waiting[i] > 0) names += (listed++ ? ", " : "") + graph.nodes[i].place();
  throw Error(place, "has a cycle through " + names, broken);
}

}  // namespace

std::vector<size_t> computation_order(const GraphDef& graph, const std::string& place,
                                      FunctionRef<bool(const std::string&)> outside) {
  Sources sources = find_sources(graph);
  check_outputs(graph, sources, outside);
  std::vector<size_t> waiting(graph.nodes.size(), 0);  // inputs that are still to be computed
  std::vector<std::vector<size_t>> users(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for_each_input(graph.nodes[i], [&](const std::string& input) {
      auto source = sources.find(input);
      if (source == sources.end()) {
        if (outside(input)) return;
        throw Error(graph.nodes[i].place(), fmt::format("uses value '{}' that nothing produces", input), broken);
      }
      if (source->second == no_node) return;
      ++waiting[i];
      users[source->second].push_back(i);
    });
  bool in_order = true;
  for (size_t i = 0; i < users.size(); ++i)
    in_order = in_order && std::all_of(users[i].begin(), users[i].end(), [&](size_t user) { return user > i; });
  std::vector<size_t> order;
  order.reserve(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (in_order || waiting[i] == 0) order.push_back(i);
  if (in_order) return order;
  // Kahn's algorithm.
  for (size_t next = 0; next < order.size(); ++next)
    for (size_t user : users[order[next]])
      if (--waiting[user] == 0) order.push_back(user);
  if (order.size() != graph.nodes.size()) report_cycle(graph, place, waiting);
  return order;
}

}  // namespace hone::onnx
