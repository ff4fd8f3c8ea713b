#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = acos(x)
struct Acos : OpOf<Acos> {
  const char* type() const override { return "Acos"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = acos(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::acos(x); });
  }
};

HONE_DEFINE_OP(Acos)

}  // namespace hone::ops
