#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x if x > alpha else 0
struct ThresholdedRelu : OpOf<ThresholdedRelu> {
  float alpha = 1;  ///< threshold

  const char* type() const override { return "ThresholdedRelu"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
