#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = asin(x)
struct Asin : OpOf<Asin> {
  const char* type() const override { return "Asin"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = asin(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::asin(x); });
  }
};

HONE_DEFINE_OP(Asin)

}  // namespace hone::ops
