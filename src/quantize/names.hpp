#pragma once
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// What the nodes were called before the model was optimized.
struct OriginalNames {
  std::vector<std::string> names, types;
};
OriginalNames original_names(const Graph& model);

/// Which nodes the user wants to keep in fp32.
class IgnoreList {
 public:
  /// Throws Error for a regular expression that is none, and, if the options say so, for a name, pattern or op type
  /// that matches neither a node nor a node's output of `graph`, nor one of `original`.
  IgnoreList(const Graph& graph, const QuantizeOptions& options, const OriginalNames& original);
  bool contains(const Node& node) const;

 private:
  void check_names(const OriginalNames& original, std::vector<std::string> names) const;
  void check_types(const Graph& graph, const OriginalNames& original) const;
  const QuantizeOptions& options_;
  std::vector<std::regex> patterns_;
};

/// True when `text` is `pattern`, in which `*` stands for any text.
bool matches_pattern(std::string_view pattern, std::string_view text);

/// Names of nodes and of their outputs, for IgnoreList.
std::vector<std::string> names_of_nodes(const Graph& graph);

}  // namespace hone
