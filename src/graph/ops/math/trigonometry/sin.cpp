#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = sin(x)
struct Sin : OpOf<Sin> {
  const char* type() const override { return "Sin"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = sin(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::sin(x); });
  }
};

HONE_DEFINE_OP(Sin)

}  // namespace hone::ops
