#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = sqrt(x)
struct Sqrt : OpOf<Sqrt> {
  const char* type() const override { return "Sqrt"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = sqrt(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::sqrt(x); });
  }
};

HONE_DEFINE_OP(Sqrt)

}  // namespace hone::ops
