#pragma once
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graph/graph.hpp"

namespace hone::onnx {

/// The names that values get in the file: those of inputs and outputs as users see them, others unique.
class Names {
 public:
  explicit Names(const Graph& graph);
  const std::string& of(const Value* value) const;  ///< "" for nullptr
  /// A name that nothing has yet, made from `wanted`.
  std::string fresh(const std::string& wanted);

 private:
  bool claim(const Value* value, const std::string& name);
  std::unordered_map<const Value*, std::string> names_{{nullptr, ""}};
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> serial_;
};

/// A node as the file will have it; constants that it needs come with it.
struct StandardNode {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  Attributes attributes;
};
struct StandardForm {
  std::vector<StandardNode> nodes;
  std::vector<std::pair<std::string, Tensor>> constants;
};

/// The node in ops of the ONNX domain: itself, or the expansion of an op of the hone domain. Throws Error naming the
/// node when there is none.
StandardForm standard_form(const Node& node, Names& names);

}  // namespace hone::onnx
