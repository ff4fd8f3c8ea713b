#include "graph/ops/elementwise.hpp"
#include "graph/ops/math/arithmetic.hpp"

namespace hone::ops {

/// y = a b, with broadcasting
struct Mul : OpOf<Mul> {
  const char* type() const override { return "Mul"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = commutative_traits, .summary = "y = a b"};
  }
  void infer(InferContext& context) const override {
    infer_binary(context, Types::numbers);
    propagate_dims(context, {.commutative = true, .neutral = 1}, checked_mul);
  }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return wrap_mul(a, b); });
  }
};

HONE_DEFINE_OP(Mul)

}  // namespace hone::ops
