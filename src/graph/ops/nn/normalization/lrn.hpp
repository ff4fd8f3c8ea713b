#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x / (bias + alpha / size * sum of squares over `size` channels) ^ beta
struct LRN : OpOf<LRN> {
  float alpha = 0.0001f;
  float beta = 0.75f;
  float bias = 1;
  int64_t size = 0;

  const char* type() const override { return "LRN"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
