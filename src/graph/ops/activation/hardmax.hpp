#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = 1 at the first largest element along an axis, 0 elsewhere.
struct Hardmax : OpOf<Hardmax> {
  int64_t axis = -1;

  const char* type() const override { return "Hardmax"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
