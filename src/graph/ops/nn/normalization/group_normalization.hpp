#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Normalizes over groups of channels. Inputs: x, scale [C], bias [C].
struct GroupNormalization : OpOf<GroupNormalization> {
  float epsilon = 1e-5f;
  int64_t num_groups = 0;
  int64_t stash_type = 1;

  const char* type() const override { return "GroupNormalization"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
