#pragma once
#include "graph/op.hpp"
#include "graph/ops/recurrent/recurrent.hpp"

namespace hone::ops {

/// h = f(x w' + h r' + b). See recurrent.hpp for the shapes.
struct RNN : OpOf<RNN>, RecurrentFields {
  const char* type() const override { return "RNN"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
