#include "quantize/names.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/nearest.hpp"

namespace hone {

namespace {

std::string suggestion(const std::string& wanted, std::vector<std::string> names, const char* otherwise) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  auto near = nearest_words(wanted, names, 4);
  if (near.empty()) return otherwise;
  return fmt::format("near it: '{}'", fmt::join(near, "', '"));
}

bool any_match(const std::vector<std::string>& patterns, const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, text); });
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::vector<std::string> names_of_nodes(const Graph& graph) {
  std::vector<std::string> names;
  for (auto& node : graph.nodes()) {
    names.push_back(node->name);
    for (const Value* output : node->outputs())
      if (output->name != node->name) names.push_back(output->name);
  }
  return names;
}

IgnoreList::IgnoreList(const Graph& graph, const QuantizeOptions& options,
                       const std::vector<std::string>& original_names)
    : options_(options) {
  std::vector<std::string> names = names_of_nodes(graph);
  auto any_of = [](const std::vector<std::string>& texts, const std::string& pattern) {
    return std::any_of(texts.begin(), texts.end(), [&](auto& text) { return matches_pattern(pattern, text); });
  };
  for (const std::string& pattern : options.ignored_nodes) {
    if (any_of(names, pattern)) continue;
    names.insert(names.end(), original_names.begin(), original_names.end());
    if (any_of(original_names, pattern))
      warn("quantize: ignored node '" + pattern + "' became part of another node when the model was optimized");
    else
      throw Error("ignored node '" + pattern + "'", "the model has no node of that name",
                  suggestion(pattern, std::move(names), "print the model to see its names"));
  }
  for (const std::string& type : options.ignored_op_types)
    if (!make_op("", type) && !make_op("hone", type))
      throw Error("ignored op type '" + type + "'", "there is no such op",
                  suggestion(type, similar_ops(type), "op types are those of ONNX, such as Conv"));
}

bool IgnoreList::contains(const Node& node) const {
  const auto& types = options_.ignored_op_types;
  if (std::find(types.begin(), types.end(), node.op().type()) != types.end()) return true;
  if (any_match(options_.ignored_nodes, node.name)) return true;
  return std::any_of(node.outputs().begin(), node.outputs().end(),
                     [&](const Value* output) { return any_match(options_.ignored_nodes, output->name); });
}

}  // namespace hone
