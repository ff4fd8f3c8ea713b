#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = acosh(x)
struct Acosh : OpOf<Acosh> {
  const char* type() const override { return "Acosh"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = acosh(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::acosh(x); });
  }
};

HONE_DEFINE_OP(Acosh)

}  // namespace hone::ops
