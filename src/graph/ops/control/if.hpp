#pragma once
#include "graph/ops/control/control.hpp"

namespace hone::ops {

/// Runs one of two graphs. Inputs: condition, then captured values; both branches take the captured values.
struct If : ControlOp {
  std::shared_ptr<Graph> then_branch, else_branch;

  const char* type() const override { return "If"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  std::unique_ptr<Op> clone() const override { return std::make_unique<If>(*this); }
  std::vector<std::shared_ptr<Graph>> bodies() const override { return {then_branch, else_branch}; }
  void set_body(size_t index, std::shared_ptr<Graph> body) override {
    (index ? else_branch : then_branch) = std::move(body);
  }
  std::vector<BodyInput> body_inputs(const InferContext& context, size_t index) const override;
  std::optional<int64_t> runs(const InferContext&) const override { return 1; }
  void run(EvalContext& context, RunBody run_body) const override;
};

}  // namespace hone::ops
