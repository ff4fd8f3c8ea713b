#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = atan(x)
struct Atan : OpOf<Atan> {
  const char* type() const override { return "Atan"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = atan(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::atan(x); });
  }
};

HONE_DEFINE_OP(Atan)

}  // namespace hone::ops
