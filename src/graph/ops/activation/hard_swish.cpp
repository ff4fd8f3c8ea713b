#include <algorithm>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = x max(0, min(1, x / 6 + 1 / 2))
struct HardSwish : OpOf<HardSwish> {
  const char* type() const override { return "HardSwish"; }
  OpSpec spec() const override {
    return {.traits = activation_traits, .summary = "y = x max(0, min(1, x / 6 + 1 / 2))"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) {
      using T = decltype(x);
      return x * std::clamp(x / 6 + T(0.5), T(0), T(1));
    });
  }
};

HONE_DEFINE_OP(HardSwish)

}  // namespace hone::ops
