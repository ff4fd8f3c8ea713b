#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = x rounded to the nearest integer, halves to the even one
struct Round : OpOf<Round> {
  const char* type() const override { return "Round"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = x rounded to the nearest integer, halves to the even one"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::nearbyint(x); });
  }
};

HONE_DEFINE_OP(Round)

}  // namespace hone::ops
