#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Inputs: x, shape (0 copies a size unless allowzero, -1 takes what is left).
struct Reshape : OpOf<Reshape> {
  int64_t allowzero = 0;

  const char* type() const override { return "Reshape"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
