#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x if x >= 0 else alpha x
struct LeakyRelu : OpOf<LeakyRelu> {
  float alpha = 0.01f;  ///< slope below 0

  const char* type() const override { return "LeakyRelu"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
