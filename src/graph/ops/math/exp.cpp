#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = e^x
struct Exp : OpOf<Exp> {
  const char* type() const override { return "Exp"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = e^x"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::exp(x); });
  }
};

HONE_DEFINE_OP(Exp)

}  // namespace hone::ops
