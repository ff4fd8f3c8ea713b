#include "graph/ops/elementwise.hpp"
#include "graph/ops/math/arithmetic.hpp"

namespace hone::ops {

/// y = a / b, with broadcasting; integers truncate toward 0, and an integer divided by 0 is 0
struct Div : OpOf<Div> {
  const char* type() const override { return "Div"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = a / b"};
  }
  void infer(InferContext& context) const override {
    infer_binary(context, Types::numbers);
    propagate_dims(context, {.neutral = 1}, checked_div);
  }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return divide(a, b); });
  }
};

HONE_DEFINE_OP(Div)

}  // namespace hone::ops
