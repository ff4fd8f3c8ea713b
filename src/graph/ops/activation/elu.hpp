#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x if x >= 0 else alpha (e^x - 1)
struct Elu : OpOf<Elu> {
  float alpha = 1;

  const char* type() const override { return "Elu"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
