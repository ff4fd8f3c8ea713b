#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Broadcasts x to `shape`. Inputs: x, shape.
struct Expand : OpOf<Expand> {
  const char* type() const override { return "Expand"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
