#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// To a matrix: sizes before `axis` multiplied, sizes from it on multiplied.
struct Flatten : OpOf<Flatten> {
  int64_t axis = 1;

  const char* type() const override { return "Flatten"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
