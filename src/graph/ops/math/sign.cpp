#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = -1, 0 or 1 as x is negative, zero or positive
struct Sign : OpOf<Sign> {
  const char* type() const override { return "Sign"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = -1, 0 or 1 as x is negative, zero or positive"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::numbers); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary(context, [](auto x) {
      using T = decltype(x);
      if (is_nan(x)) return x;
      if constexpr (std::is_signed_v<T>) return T((x > 0) - (x < 0));
      else return T(x > 0);
    });
  }
};

HONE_DEFINE_OP(Sign)

}  // namespace hone::ops
