#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = e^x / sum(e^x) along an axis.
struct Softmax : OpOf<Softmax> {
  int64_t axis = -1;

  const char* type() const override { return "Softmax"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
