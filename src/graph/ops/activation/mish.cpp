#include <algorithm>
#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = x tanh(ln(1 + e^x))
struct Mish : OpOf<Mish> {
  const char* type() const override { return "Mish"; }
  OpSpec spec() const override {
    return {.traits = activation_traits, .summary = "y = x tanh(ln(1 + e^x))"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) {
      auto softplus = std::max(x, decltype(x)(0)) + std::log1p(std::exp(-std::abs(x)));
      return x * std::tanh(softplus);
    });
  }
};

HONE_DEFINE_OP(Mish)

}  // namespace hone::ops
