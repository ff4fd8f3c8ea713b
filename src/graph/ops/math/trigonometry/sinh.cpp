#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = sinh(x)
struct Sinh : OpOf<Sinh> {
  const char* type() const override { return "Sinh"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = sinh(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::sinh(x); });
  }
};

HONE_DEFINE_OP(Sinh)

}  // namespace hone::ops
