#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = min(max(x, low), high). Inputs: x, low (optional scalar), high (optional scalar).
struct Clip : OpOf<Clip> {
  const char* type() const override { return "Clip"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
