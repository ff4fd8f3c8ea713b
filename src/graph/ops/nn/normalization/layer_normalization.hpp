#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Normalizes over the dimensions from `axis` on. Inputs: x, scale, bias (optional); outputs: y, mean, 1 / deviation.
struct LayerNormalization : OpOf<LayerNormalization> {
  int64_t axis = -1;
  float epsilon = 1e-5f;
  int64_t stash_type = 1;  ///< type of mean and 1 / deviation; 1 is f32

  const char* type() const override { return "LayerNormalization"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
