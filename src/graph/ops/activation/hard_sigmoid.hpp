#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = max(0, min(1, alpha x + beta))
struct HardSigmoid : OpOf<HardSigmoid> {
  float alpha = 0.2f;
  float beta = 0.5f;

  const char* type() const override { return "HardSigmoid"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
