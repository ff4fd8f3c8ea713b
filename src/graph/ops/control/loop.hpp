#pragma once
#include <algorithm>

#include "graph/ops/control/control.hpp"

namespace hone::ops {

/// Runs its body again and again. Inputs: the largest number of runs (may be absent), whether to begin (may be absent),
/// the states, captured values. Body: (number of the run, true, states, captures) -> (go on?, states, scan outputs).
/// Outputs: the last states, and each scan output of all runs stacked along a new first axis.
struct Loop : ControlOp {
  std::shared_ptr<Graph> body;

  const char* type() const override { return "Loop"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  std::unique_ptr<Op> clone() const override { return std::make_unique<Loop>(*this); }
  std::vector<std::shared_ptr<Graph>> bodies() const override { return {body}; }
  void set_body(size_t, std::shared_ptr<Graph> graph) override { body = std::move(graph); }
  std::vector<BodyInput> body_inputs(const InferContext& context, size_t index) const override;
  std::optional<int64_t> runs(const InferContext& context) const override;
  void run(EvalContext& context, RunBody run_body) const override;

  /// How many states a node with this many inputs has.
  size_t states(size_t inputs) const { return std::max<size_t>(own_inputs(inputs), 2) - 2; }
};

}  // namespace hone::ops
