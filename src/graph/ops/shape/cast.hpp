#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x in another element type.
struct Cast : OpOf<Cast> {
  int64_t saturate = 1;  ///< about float 8 only
  DType to = DType::undefined;

  const char* type() const override { return "Cast"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
