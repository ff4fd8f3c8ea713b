#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x
struct Identity : OpOf<Identity> {
  const char* type() const override { return "Identity"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
