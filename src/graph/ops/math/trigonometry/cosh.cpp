#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = cosh(x)
struct Cosh : OpOf<Cosh> {
  const char* type() const override { return "Cosh"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = cosh(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::cosh(x); });
  }
};

HONE_DEFINE_OP(Cosh)

}  // namespace hone::ops
