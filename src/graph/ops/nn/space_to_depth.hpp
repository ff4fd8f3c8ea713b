#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// [N, C, H, W] to [N, C b^2, H / b, W / b]
struct SpaceToDepth : OpOf<SpaceToDepth> {
  int64_t blocksize = 0;

  const char* type() const override { return "SpaceToDepth"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
