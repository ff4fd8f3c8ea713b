#include "quantize/names.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"

namespace hone {

namespace {

// Levenshtein's distance: edits that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
    }
  }
  return row.back();
}

std::vector<std::string> nearest(const std::string& wanted, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<std::pair<size_t, std::string>> ranked;
  for (std::string& name : names) {
    bool part = name.find(wanted) != std::string::npos;
    ranked.emplace_back(part ? 0 : edit_distance(wanted, name), std::move(name));
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](auto& a, auto& b) { return a.first < b.first; });
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min<size_t>(4, ranked.size()); ++i) result.push_back("'" + ranked[i].second + "'");
  return result;
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
  names.insert(names.end(), original_names.begin(), original_names.end());
  for (const std::string& pattern : options.ignored_nodes) {
    bool found = std::any_of(names.begin(), names.end(), [&](auto& name) { return matches_pattern(pattern, name); });
    if (!found)
      throw Error("ignored node '" + pattern + "'", "the model has no node of that name",
                  fmt::format("near it: {}", fmt::join(nearest(pattern, names), ", ")));
  }
  for (const std::string& type : options.ignored_op_types)
    if (!make_op("", type) && !make_op("hone", type)) {
      auto similar = similar_ops(type);
      throw Error("ignored op type '" + type + "'", "there is no such op",
                  similar.empty() ? "" : fmt::format("near it: {}", fmt::join(similar, ", ")));
    }
}

bool IgnoreList::contains(const Node& node) const {
  const auto& types = options_.ignored_op_types;
  if (std::find(types.begin(), types.end(), node.op().type()) != types.end()) return true;
  if (any_match(options_.ignored_nodes, node.name)) return true;
  return std::any_of(node.outputs().begin(), node.outputs().end(),
                     [&](const Value* output) { return any_match(options_.ignored_nodes, output->name); });
}

}  // namespace hone
