#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = a b as numpy.matmul: leading dimensions broadcast, rank-1 operands become a row or a column.
struct MatMul : OpOf<MatMul> {
  const char* type() const override { return "MatMul"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
