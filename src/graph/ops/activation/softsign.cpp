#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = x / (1 + |x|)
struct Softsign : OpOf<Softsign> {
  const char* type() const override { return "Softsign"; }
  OpSpec spec() const override {
    return {.traits = activation_traits, .summary = "y = x / (1 + |x|)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return x / (1 + std::abs(x)); });
  }
};

HONE_DEFINE_OP(Softsign)

}  // namespace hone::ops
