#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = (x - mean) / sqrt(var + epsilon) * scale + bias per channel (axis 1). Inputs: x, scale, bias, mean, var.
/// In training mode mean and var are those of x itself, and outputs 1 and 2 are the running ones:
/// given * momentum + own * (1 - momentum).
struct BatchNormalization : OpOf<BatchNormalization> {
  float epsilon = 1e-5f;
  float momentum = 0.9f;
  int64_t training_mode = 0;

  const char* type() const override { return "BatchNormalization"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
