#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = (x - mean) / sqrt(var + epsilon) * scale + bias per channel (axis 1). Inputs: x, scale, bias, mean, var.
struct BatchNormalization : OpOf<BatchNormalization> {
  float epsilon = 1e-5f;
  float momentum = 0.9f;  ///< training only
  int64_t training_mode = 0;  ///< 1 is refused

  const char* type() const override { return "BatchNormalization"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
