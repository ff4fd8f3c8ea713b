#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x + bias if x < -lambd, x - bias if x > lambd, else 0
struct Shrink : OpOf<Shrink> {
  float bias = 0;
  float lambd = 0.5f;  ///< half the width of the band that becomes 0

  const char* type() const override { return "Shrink"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
