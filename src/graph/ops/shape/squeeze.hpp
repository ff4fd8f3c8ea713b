#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Removes sizes of 1. Inputs: x, axes (optional: all of them).
struct Squeeze : OpOf<Squeeze> {
  const char* type() const override { return "Squeeze"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
