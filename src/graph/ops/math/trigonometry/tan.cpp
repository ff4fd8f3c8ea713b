#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = tan(x)
struct Tan : OpOf<Tan> {
  const char* type() const override { return "Tan"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = tan(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::tan(x); });
  }
};

HONE_DEFINE_OP(Tan)

}  // namespace hone::ops
