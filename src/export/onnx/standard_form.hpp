#pragma once
#include <memory>
#include <span>
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
  /// Of a body of a node: no name of the graphs around it comes again, but for captured values, the last inputs of the
  /// body, which have the names `captures`.
  Names(const Graph& body, const Names& around, std::span<const std::string> captures);
  const std::string& of(const Value* value) const;  ///< "" for nullptr
  /// A name that nothing has yet, made from `wanted`.
  std::string fresh(const std::string& wanted);
  /// Says what a value is called, before of() is asked.
  void set(const Value* value, const std::string& name) { names_[value] = name; }

 private:
  /// Shared by the names of a graph and of all bodies in it.
  struct Taken {
    std::unordered_set<std::string> names;
    std::unordered_map<std::string, int> serial;
  };
  bool claim(const Value* value, const std::string& name);
  void name_the_rest(const Graph& graph);
  std::unordered_map<const Value*, std::string> names_{{nullptr, ""}};
  std::shared_ptr<Taken> taken_;
};

/// A node as the file will have it; constants that it needs come with it.
struct StandardNode {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  Attributes attributes;
  std::map<std::string, std::string> graphs = {};  ///< attributes that are graphs, encoded
};
struct StandardForm {
  std::vector<StandardNode> nodes;
  std::vector<std::pair<std::string, Tensor>> constants;
};

/// The node in ops of the ONNX domain: itself (without graphs and captured values), or the expansion of an op of the
/// hone domain. Throws Error naming the node when there is none.
StandardForm standard_form(const Node& node, Names& names);
/// The first opset that has such a node: graph_opset, or a newer one for the ops that came later.
int64_t needed_opset(const StandardNode& node);

}  // namespace hone::onnx
