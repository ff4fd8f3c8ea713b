#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = asinh(x)
struct Asinh : OpOf<Asinh> {
  const char* type() const override { return "Asinh"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = asinh(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::asinh(x); });
  }
};

HONE_DEFINE_OP(Asinh)

}  // namespace hone::ops
