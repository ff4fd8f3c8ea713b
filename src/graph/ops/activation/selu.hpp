#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = gamma x if x > 0 else gamma alpha (e^x - 1)
struct Selu : OpOf<Selu> {
  float alpha = 1.67326319217681884765625f;
  float gamma = 1.05070102214813232421875f;

  const char* type() const override { return "Selu"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
