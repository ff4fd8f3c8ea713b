#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = cos(x)
struct Cos : OpOf<Cos> {
  const char* type() const override { return "Cos"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = cos(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::cos(x); });
  }
};

HONE_DEFINE_OP(Cos)

}  // namespace hone::ops
