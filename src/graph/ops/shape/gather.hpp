#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Picks slices of x along `axis`. Inputs: x, indices (negative ones count from the end).
struct Gather : OpOf<Gather> {
  int64_t axis = 0;

  const char* type() const override { return "Gather"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
