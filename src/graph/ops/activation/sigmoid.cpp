#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = 1 / (1 + e^-x)
struct Sigmoid : OpOf<Sigmoid> {
  const char* type() const override { return "Sigmoid"; }
  OpSpec spec() const override {
    return {.traits = activation_traits, .summary = "y = 1 / (1 + e^-x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return 1 / (1 + std::exp(-x)); });
  }
};

HONE_DEFINE_OP(Sigmoid)

}  // namespace hone::ops
