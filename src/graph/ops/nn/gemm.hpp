#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = alpha * a' b' + beta * c, a' = a or its transpose; c (optional) broadcasts to [M, N].
struct Gemm : OpOf<Gemm> {
  float alpha = 1;
  float beta = 1;
  int64_t transA = 0;
  int64_t transB = 0;

  const char* type() const override { return "Gemm"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
