#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = tanh(x)
struct Tanh : OpOf<Tanh> {
  const char* type() const override { return "Tanh"; }
  OpSpec spec() const override {
    return {.traits = activation_traits, .summary = "y = tanh(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::tanh(x); });
  }
};

HONE_DEFINE_OP(Tanh)

}  // namespace hone::ops
