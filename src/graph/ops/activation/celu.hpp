#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = max(0, x) + min(0, alpha (e^(x / alpha) - 1))
struct Celu : OpOf<Celu> {
  float alpha = 1;

  const char* type() const override { return "Celu"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
