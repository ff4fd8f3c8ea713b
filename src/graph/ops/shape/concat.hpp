#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Joins the inputs along `axis`.
struct Concat : OpOf<Concat> {
  int64_t axis = 0;

  const char* type() const override { return "Concat"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
