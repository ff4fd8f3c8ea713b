#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x / 2 (1 + erf(x / sqrt(2))), or y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
struct Gelu : OpOf<Gelu> {
  std::string approximate = "none";  ///< "none": exact, with erf; "tanh": the approximation with tanh

  const char* type() const override { return "Gelu"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
