#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x sigmoid(alpha x), also called SiLU. Its body in ONNX ops:
///   scaled = Mul(x, alpha); gate = Sigmoid(scaled); y = Mul(x, gate)      (without the first Mul when alpha is 1)
struct Swish : OpOf<Swish> {
  float alpha = 1;

  const char* type() const override { return "Swish"; }
  const char* domain() const override { return "hone"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
