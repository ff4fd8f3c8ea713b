#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = 1 / x
struct Reciprocal : OpOf<Reciprocal> {
  const char* type() const override { return "Reciprocal"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = 1 / x"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return 1 / x; });
  }
};

HONE_DEFINE_OP(Reciprocal)

}  // namespace hone::ops
