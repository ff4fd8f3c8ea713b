#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// Which nodes the user wants to keep in fp32.
class IgnoreList {
 public:
  /// Throws Error for an op type that does not exist and for a name that matches neither a node nor a node's output of
  /// `graph`, nor one of `original_names`.
  IgnoreList(const Graph& graph, const QuantizeOptions& options, const std::vector<std::string>& original_names);
  bool contains(const Node& node) const;

 private:
  const QuantizeOptions& options_;
};

/// True when `text` is `pattern`, in which `*` stands for any text.
bool matches_pattern(std::string_view pattern, std::string_view text);

/// Names of nodes and of their outputs, for IgnoreList.
std::vector<std::string> names_of_nodes(const Graph& graph);

}  // namespace hone
