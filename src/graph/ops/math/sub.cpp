#include "graph/ops/elementwise.hpp"
#include "graph/ops/math/arithmetic.hpp"

namespace hone::ops {

/// y = a - b, with broadcasting
struct Sub : OpOf<Sub> {
  const char* type() const override { return "Sub"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = a - b"};
  }
  void infer(InferContext& context) const override {
    infer_binary(context, Types::numbers);
    propagate_dims(context, {.neutral = 0}, checked_sub);
  }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return wrap_sub(a, b); });
  }
};

HONE_DEFINE_OP(Sub)

}  // namespace hone::ops
