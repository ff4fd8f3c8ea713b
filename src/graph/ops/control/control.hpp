#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "base/function_ref.hpp"
#include "graph/graph.hpp"

/// What If, Loop and Scan share. Their bodies are closed graphs: whatever a body uses of the graph around it is an
/// input of the node, after the op's own inputs, and an input of the body, after the body's own inputs, in the same
/// order (all bodies of a node take all of them). So passes see every use, and a body can be cloned, checked and run
/// alone. Bodies are shared by clones of their op and never changed in place: who changes one makes a new one.
namespace hone::ops {

/// The deepest nesting of graphs in graphs that files and texts may have.
constexpr int max_graph_depth = 16;

/// Runs body `index` on concrete inputs.
using RunBody = FunctionRef<std::vector<Tensor>(size_t index, std::span<const Tensor> inputs)>;

/// What is known of an input of a body.
struct BodyInput {
  Type type;
  std::optional<std::vector<Dim>> dims_value;
  const Tensor* constant = nullptr;  ///< when it always has this value
};

/// What is known of the outputs of a body.
struct BodyOutput {
  Type type;
  std::optional<std::vector<Dim>> dims_value;
};

class ControlOp : public Op {
 public:
  int64_t captures = 0;  ///< how many of the node's inputs, the last ones, are values that the bodies capture

  /// Empty entries only while a node is being made.
  virtual std::vector<std::shared_ptr<Graph>> bodies() const = 0;
  virtual void set_body(size_t index, std::shared_ptr<Graph> body) = 0;
  /// What each input of the body is, for every time that it runs. Throws Error when the node's inputs do not fit the
  /// body.
  virtual std::vector<BodyInput> body_inputs(const InferContext& context, size_t index) const = 0;
  /// The op by its definition, with the bodies run by `run_body`.
  virtual void run(EvalContext& context, RunBody run_body) const = 0;
  /// How often a body runs, when that is known before running.
  virtual std::optional<int64_t> runs(const InferContext& context) const = 0;

  void evaluate(EvalContext& context) const final;
  /// Inputs of the op itself, without captures.
  size_t own_inputs(size_t inputs) const;

 protected:
  /// Trait::random when a body has a random node.
  uint32_t body_traits() const;
  /// Throws Error unless there is a body with this many inputs, captures included.
  const Graph& checked_body(const InferContext& context, const std::shared_ptr<Graph>& body, const char* attribute,
                            size_t own_inputs) const;
  void append_captures(const InferContext& context, std::vector<BodyInput>& inputs) const;
  void append_captures(const EvalContext& context, std::vector<Tensor>& inputs) const;
};

/// The types that a body's outputs have for these inputs. Errors name the node of the body and then `context.node`.
std::vector<BodyOutput> infer_body(const InferContext& context, const Graph& body, std::span<const BodyInput> inputs);
/// How often bodies run in all, bodies in bodies included; nullopt when that is not known or more than most_body_runs.
std::optional<int64_t> body_runs(const Node& node);
constexpr int64_t most_body_runs = 4096;
/// What both shapes have in common: sizes that differ become unknown, so does a rank.
Shape common_shape(const Shape& a, const Shape& b);
/// States that a body hands on from one run to the next: `states` become types that hold for every run. Body input
/// `first_in + i` and output `first_out + i` belong to state i; `inputs` holds all inputs of the body.
void settle_states(const InferContext& context, const Graph& body, std::vector<BodyInput>& inputs, size_t first_in,
                   size_t first_out, size_t count);

/// Tensors of one type and shape stacked along a new axis (negative: from the back). `like` gives type and sizes when
/// there are none; `backwards` puts the last one first.
Tensor stacked(const EvalContext& context, std::span<const Tensor> parts, const Type& like, int64_t axis,
               bool backwards = false);

/// The node's op when it is If, Loop or Scan, else nullptr.
inline const ControlOp* control_op(const Node& node) { return node.as<ControlOp>(); }

}  // namespace hone::ops
