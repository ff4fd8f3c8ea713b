#include "quantize/names.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/nearest.hpp"

namespace hone {

namespace {

/// The words that share the most letters at the beginning with `wanted`, three at least.
std::vector<std::string> same_beginning(const std::string& wanted, const std::vector<std::string>& words,
                                        size_t count) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& word : words) {
    const auto [differs, ignored] = std::mismatch(wanted.begin(), wanted.end(), word.begin(), word.end());
    const auto shared = static_cast<size_t>(differs - wanted.begin());
    if (shared >= 3) ranked.emplace_back(shared, word);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> result;
  for (size_t i = 0; i < ranked.size() && i < count; ++i) result.push_back(ranked[i].second);
  return result;
}

std::string suggestion(const std::string& wanted, std::vector<std::string> names, const char* otherwise) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  auto near = nearest_words(wanted, names, 4);
  if (near.empty()) near = same_beginning(wanted, names, 4);
  if (near.empty() && !names.empty()) return fmt::format("{}, such as '{}'", otherwise, names.front());
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

OriginalNames original_names(const Graph& model) {
  OriginalNames result{names_of_nodes(model), {}};
  for (auto& node : model.nodes()) result.types.push_back(node->op().type());
  return result;
}

IgnoreList::IgnoreList(const Graph& graph, const QuantizeOptions& options, const OriginalNames& original)
    : options_(options) {
  for (const std::string& text : options.ignored_patterns) {
    try {
      patterns_.emplace_back(text, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      throw Error("ignored pattern '" + text + "'", fmt::format("is no regular expression: {}", error.what()),
                  "write \\ before a sign that stands for itself; names with * as any text need none (--ignore)");
    }
  }
  if (!options.ignored_must_match) return;
  check_names(original, names_of_nodes(graph));
  check_types(graph, original);
}

void IgnoreList::check_names(const OriginalNames& original, std::vector<std::string> names) const {
  auto check = [&](const char* kind, const std::string& wanted, auto matches) {
    if (std::any_of(names.begin(), names.end(), matches)) return;
    if (std::any_of(original.names.begin(), original.names.end(), matches)) {
      warn(fmt::format("quantize: {} '{}' became part of another node when the model was optimized", kind, wanted));
      return;
    }
    std::vector<std::string> all = names;
    all.insert(all.end(), original.names.begin(), original.names.end());
    throw Error(fmt::format("{} '{}'", kind, wanted), "matches no node of the model",
                suggestion(wanted, std::move(all), "hone inspect MODEL --text lists them"));
  };
  for (const std::string& pattern : options_.ignored_nodes)
    check("ignored node", pattern, [&](const std::string& name) { return matches_pattern(pattern, name); });
  for (size_t i = 0; i < patterns_.size(); ++i)
    check("ignored pattern", options_.ignored_patterns[i],
          [&](const std::string& name) { return std::regex_match(name, patterns_[i]); });
}

void IgnoreList::check_types(const Graph& graph, const OriginalNames& original) const {
  std::vector<std::string> types = original.types;
  for (auto& node : graph.nodes()) types.push_back(node->op().type());
  for (const std::string& type : options_.ignored_op_types) {
    std::string place = "ignored op type '" + type + "'";
    if (!make_op("", type) && !make_op("hone", type))
      throw Error(place, "there is no such op",
                  suggestion(type, similar_ops(type), "op types are those of ONNX, such as Conv"));
    if (std::find(types.begin(), types.end(), type) == types.end())
      throw Error(place, "the model has no node of that type",
                  suggestion(type, types, "hone inspect MODEL lists them"));
  }
}

bool IgnoreList::contains(const Node& node) const {
  const auto& types = options_.ignored_op_types;
  if (std::find(types.begin(), types.end(), node.op().type()) != types.end()) return true;
  auto ignored = [&](const std::string& name) {
    return any_match(options_.ignored_nodes, name) ||
           std::any_of(patterns_.begin(), patterns_.end(), [&](auto& p) { return std::regex_match(name, p); });
  };
  return ignored(node.name) || std::any_of(node.outputs().begin(), node.outputs().end(),
                                           [&](const Value* output) { return ignored(output->name); });
}

}  // namespace hone
