#include <algorithm>
#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = ln(1 + e^x), written so that e^x does not overflow
struct Softplus : OpOf<Softplus> {
  const char* type() const override { return "Softplus"; }
  OpSpec spec() const override {
    return {.traits = activation_traits, .summary = "y = ln(1 + e^x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) {
      return std::max(x, decltype(x)(0)) + std::log1p(std::exp(-std::abs(x)));
    });
  }
};

HONE_DEFINE_OP(Softplus)

}  // namespace hone::ops
