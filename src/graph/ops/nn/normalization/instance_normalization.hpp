#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Normalizes each channel of each sample. Inputs: x, scale [C], bias [C].
struct InstanceNormalization : OpOf<InstanceNormalization> {
  float epsilon = 1e-5f;

  const char* type() const override { return "InstanceNormalization"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
