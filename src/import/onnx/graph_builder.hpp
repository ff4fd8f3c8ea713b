#pragma once
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graph/graph.hpp"
#include "graph/ops/control/control.hpp"
#include "import/onnx/model.hpp"
#include "import/onnx/normalize.hpp"

namespace hone::onnx {

/// The value of each name of the file; nullptr for an input of a function that the call left out.
using ValuesByName = std::unordered_map<std::string, Value*>;

/// What all graphs of one model have in common while they are built.
struct ModelContext {
  const ModelDef& model;
  std::set<std::string> warned = {};
};

/// Where nodes stand: in the model's graph or in a function.
struct CallContext {
  const std::map<std::string, int64_t>& opsets;
  const FunctionDef* function = nullptr;
  Attributes attributes = {};  ///< of the call, and the function's defaults
};

/// Adds the nodes of one GraphDef to a Graph. `values` are the names that are known from outside: the graph's inputs,
/// captured values.
class GraphBuilder {
 public:
  GraphBuilder(ModelContext& context, const CallContext& call, Graph& graph, ValuesByName values,
               std::string prefix = {});
  /// Throws Error naming the node that is wrong. `place` is how errors call the graph as a whole.
  void add_nodes(const GraphDef& def, const std::string& place);
  /// What add_nodes() made of an output.
  Value* output(const std::string& name) const;

 private:
  void add_node(const NodeDef& def);
  void add_plain(const NodeDef& def);
  void add_constant(const NodeDef& def);
  void add_call(const NodeDef& def, const FunctionDef& function);
  void name_outputs(const NodeDef& def, const std::vector<Value*>& outputs);
  NodeDef without_references(const NodeDef& def) const;
  DraftNode draft(const NodeDef& def) const;
  std::vector<Value*> arguments(const NodeDef& def) const;
  void trim_outputs(DraftNode& node) const;
  void set_op_attributes(Op& op, const DraftNode& node, const NodeDef& def);

  // build_control.cpp
  void add_control(const NodeDef& def);
  bool add_known_branch(const NodeDef& def, const Value* condition);
  void add_batched_scan(const NodeDef& def, std::vector<Value*> own);
  std::vector<Value*> captured_values(const NodeDef& def) const;
  std::shared_ptr<Graph> make_body(const NodeDef& def, const std::string& attribute, const std::vector<Type>& own,
                                   const std::vector<Value*>& captures);
  std::vector<Type> body_types(const NodeDef& def, const GraphDef& body, const std::vector<Value*>& own) const;
  void add_control_node(const NodeDef& def, std::unique_ptr<ops::ControlOp> op, std::vector<Value*> own,
                        const std::vector<Value*>& captures, size_t outputs);

  // build_flex_attention.cpp
  void add_flex_attention(const NodeDef& def);
  /// What the graph in an attribute makes of `input`, its nodes here; `input` itself without that attribute.
  Value* inline_body(const NodeDef& def, const std::string& attribute, Value* input);

  ModelContext& context_;
  const CallContext& call_;
  Graph& graph_;
  Normalizer normalizer_;
  ValuesByName values_;
  std::string prefix_;  ///< of the names of nodes and values
  std::unordered_set<std::string> used_;
};

/// The opset of the ONNX domain that nodes with these imports mean.
int64_t onnx_opset(const ModelDef& model, const std::map<std::string, int64_t>& opsets);
/// True for If, Loop and Scan.
bool is_control_flow(const NodeDef& node);
bool is_flex_attention(const NodeDef& node);

}  // namespace hone::onnx
