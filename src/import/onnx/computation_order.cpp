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

std::string source_place(const ModelDef& model, size_t source) {
  return source == no_node ? "an input or initializer" : model.nodes[source].place();
}

Sources find_sources(const ModelDef& model) {
  Sources sources;
  for (const ConstantDef& constant : model.initializers)
    if (!sources.emplace(constant.name, no_node).second)
      throw Error("initializer '" + constant.name + "'", "is defined twice", broken);
  std::unordered_set<std::string> inputs;
  for (const ValueDef& input : model.inputs) {
    if (!inputs.insert(input.name).second) throw Error("input '" + input.name + "'", "is defined twice", broken);
    sources.emplace(input.name, no_node);  // may be an initializer too: a default value
  }
  for (size_t i = 0; i < model.nodes.size(); ++i)
    for (const std::string& output : model.nodes[i].outputs) {
      if (output.empty()) continue;
      auto [it, fresh] = sources.emplace(output, i);
      if (!fresh)
        throw Error(
            model.nodes[i].place(),
            fmt::format("produces value '{}', which {} defines already", output, source_place(model, it->second)),
            broken);
    }
  return sources;
}

void check_outputs(const ModelDef& model, const Sources& sources) {
  std::unordered_set<std::string> names;
  for (const ValueDef& output : model.outputs) {
    if (!sources.count(output.name))
      throw Error("output '" + output.name + "'", "is a value that nothing produces", broken);
    if (!names.insert(output.name).second) throw Error("output '" + output.name + "'", "is listed twice", broken);
  }
  if (model.outputs.empty()) throw Error(model.place, "has no outputs", broken);
}

[[noreturn]] void report_cycle(const ModelDef& model, const std::vector<size_t>& waiting) {
  std::string names;
  int listed = 0;
  for (size_t i = 0; i < waiting.size() && listed < 5; ++i)
    if (waiting[i] > 0) names += (listed++ ? ", " : "") + model.nodes[i].place();
  throw Error(model.place, "has a cycle through " + names, broken);
}

}  // namespace

std::vector<size_t> computation_order(const ModelDef& model) {
  Sources sources = find_sources(model);
  check_outputs(model, sources);
  std::vector<size_t> waiting(model.nodes.size(), 0);  // inputs that are still to be computed
  std::vector<std::vector<size_t>> users(model.nodes.size());
  for (size_t i = 0; i < model.nodes.size(); ++i)
    for (const std::string& input : model.nodes[i].inputs) {
      if (input.empty()) continue;
      auto source = sources.find(input);
      if (source == sources.end())
        throw Error(model.nodes[i].place(), fmt::format("uses value '{}' that nothing produces", input), broken);
      if (source->second == no_node) continue;
      ++waiting[i];
      users[source->second].push_back(i);
    }
  bool in_order = true;
  for (size_t i = 0; i < users.size(); ++i)
    in_order = in_order && std::all_of(users[i].begin(), users[i].end(), [&](size_t user) { return user > i; });
  std::vector<size_t> order;
  order.reserve(model.nodes.size());
  for (size_t i = 0; i < model.nodes.size(); ++i)
    if (in_order || waiting[i] == 0) order.push_back(i);
  if (in_order) return order;
  // Kahn's algorithm.
  for (size_t next = 0; next < order.size(); ++next)
    for (size_t user : users[order[next]])
      if (--waiting[user] == 0) order.push_back(user);
  if (order.size() != model.nodes.size()) report_cycle(model, waiting);
  return order;
}

}  // namespace hone::onnx
