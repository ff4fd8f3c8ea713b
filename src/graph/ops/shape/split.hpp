#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Cuts x along `axis`. Inputs: x, split (optional: sizes; equal parts otherwise).
struct Split : OpOf<Split> {
  int64_t axis = 0;
  std::optional<int64_t> num_outputs;

  const char* type() const override { return "Split"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
