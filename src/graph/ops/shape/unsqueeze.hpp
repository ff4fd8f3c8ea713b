#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Inserts sizes of 1. Inputs: x, axes (positions in the output).
struct Unsqueeze : OpOf<Unsqueeze> {
  const char* type() const override { return "Unsqueeze"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
