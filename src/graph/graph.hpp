#pragma once
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/op.hpp"

namespace hone {

class Node;
class Value;

struct Use {
  Node* node;
  int index;  ///< the node's input index
};

/// An edge: a graph input, a constant (initializer) or the output of a node.
class Value {
 public:
  std::string name;  ///< unique in its graph
  Type type;
  /// Known integers of a shape computation (see InferContext::dims_value).
  std::optional<std::vector<Dim>> dims_value;

  Node* producer() const { return producer_; }       ///< nullptr for inputs and constants
  int output_index() const { return output_index_; }
  bool is_constant() const { return constant_.defined(); }
  bool is_input() const { return is_input_; }
  const Tensor& constant() const { return constant_; }
  const std::vector<Use>& uses() const { return uses_; }  ///< without graph outputs
  const Shape& shape() const { return type.shape; }
  DType dtype() const { return type.dtype; }

 private:
  friend class Graph;
  Node* producer_ = nullptr;
  int output_index_ = 0;
  bool is_input_ = false;
  Tensor constant_;
  std::vector<Use> uses_;
};

/// A use of an op. An absent optional input is nullptr.
class Node {
 public:
  std::string name;

  Op& op() { return *op_; }
  const Op& op() const { return *op_; }
  /// The op's fields when it is a T, else nullptr: `if (auto* conv = node.as<ops::Conv>())`.
  template <class T>
  const T* as() const { return dynamic_cast<const T*>(op_.get()); }
  template <class T>
  T* as() { return dynamic_cast<T*>(op_.get()); }
  bool is(std::string_view type) const { return type == op_->type(); }
  bool has(Trait trait) const { return op_->has(trait); }

  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  Value* input(size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }
  Value* output(size_t i = 0) const { return outputs_[i]; }
  /// "conv 'stem/0'": how errors name this node.
  std::string place() const;

 private:
  friend class Graph;
  std::unique_ptr<Op> op_;
  std::vector<Value*> inputs_, outputs_;
  std::list<std::unique_ptr<Node>>::iterator position_;
};

struct GraphOutput {
  std::string name;  ///< the name users see; the value may have another
  Value* value;
};

/// A model: nodes in topological order, values, constants and metadata. Owns all of them. See docs/graph.md.
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  Graph clone() const;  ///< constants share their memory

  std::string name = "main";
  /// Free key/value pairs that are saved with the model (labels, preprocessing, training report).
  std::map<std::string, std::string> metadata;

  // Building. Names are made unique; an empty name gets one from the op.
  Value* add_input(const std::string& name, DType dtype, Shape shape);
  Value* add_constant(const std::string& name, Tensor tensor);
  /// Appends a node and infers its output types. An op with more than one output takes `outputs` of them.
  Node* add(std::unique_ptr<Op> op, std::vector<Value*> inputs, const std::string& name = {}, int outputs = 1);
  /// As add(), placed before `position`.
  Node* insert_before(Node* position, std::unique_ptr<Op> op, std::vector<Value*> inputs, const std::string& name = {},
                      int outputs = 1);
  /// add() without shape inference, for importers that infer once at the end.
  Node* add_untyped(std::unique_ptr<Op> op, std::vector<Value*> inputs, const std::string& name, int outputs);
  void add_output(const std::string& name, Value* value);

  // Editing.
  void set_input(Node* node, size_t index, Value* value);  ///< grows the list when index is past its end
  void set_inputs(Node* node, std::vector<Value*> values);
  void replace_op(Node* node, std::unique_ptr<Op> op);
  /// Every use of `from` (graph outputs too) becomes a use of `to`.
  void replace_uses(Value* from, Value* to);
  void replace_uses_except(Value* from, Value* to, const Node* except);
  void set_constant(Value* value, Tensor tensor);  ///< new contents of a constant
  void set_input_type(Value* input, Type type);
  void set_output(size_t index, Value* value);
  void rename(Value* value, const std::string& name);
  void erase(Node* node);      ///< its outputs must have no uses left
  void erase(Value* value);    ///< an unused constant or input
  /// Removes nodes and constants that no output needs (inputs stay); returns how many.
  int remove_dead();
  /// Restores topological order after edits that broke it; throws Error naming the nodes of a cycle.
  void sort();
  /// Runs every shape rule again in order. Throws Error at the first node whose inputs do not fit.
  void infer();

  // Reading.
  const std::list<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  /// The nodes now, in order. Walking it while erasing nodes that come later in it is not safe.
  std::vector<Node*> node_list() const;
  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<GraphOutput>& outputs() const { return outputs_; }
  std::vector<Value*> constants() const;
  Value* find_value(std::string_view name) const;  ///< nullptr when there is none
  Node* find_node(std::string_view name) const;
  bool is_output(const Value* value) const;
  /// Uses by nodes plus uses as graph output.
  size_t use_count(const Value* value) const;
  std::string unique_name(const std::string& wanted);

 private:
  struct Store;
  Value* new_value(const std::string& name);
  Node* create(std::list<std::unique_ptr<Node>>::iterator position, std::unique_ptr<Op> op, std::vector<Value*> inputs,
               const std::string& name, int outputs);
  void add_use(Value* value, Node* node, size_t index);
  void remove_use(Value* value, Node* node, size_t index);
  std::list<std::unique_ptr<Node>> nodes_;
  std::vector<Value*> inputs_;
  std::vector<GraphOutput> outputs_;
  std::unique_ptr<Store> store_;
};

/// Runs one node's shape rule and stores the result in its outputs.
void infer_node(Node& node);
/// Runs one node's reference evaluation on concrete tensors (nullptr for absent inputs).
std::vector<Tensor> evaluate_node(const Node& node, std::span<const Tensor* const> inputs);
/// Runs the whole graph by reference evaluation: the oracle. Inputs in the order of graph.inputs().
std::vector<Tensor> evaluate(const Graph& graph, std::span<const Tensor> inputs);
/// The same for a body of a control-flow node, whose stored types may be those of other sizes: they are not checked.
std::vector<Tensor> evaluate_body(const Graph& body, std::span<const Tensor> inputs);

}  // namespace hone
