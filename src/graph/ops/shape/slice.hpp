#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// x[start:end:step] on some axes. Inputs: x, starts, ends, axes (optional), steps (optional).
struct Slice : OpOf<Slice> {
  const char* type() const override { return "Slice"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
