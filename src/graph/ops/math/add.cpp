#include "graph/ops/elementwise.hpp"
#include "graph/ops/math/arithmetic.hpp"

namespace hone::ops {

/// y = a + b, with broadcasting
struct Add : OpOf<Add> {
  const char* type() const override { return "Add"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = commutative_traits, .summary = "y = a + b"};
  }
  void infer(InferContext& context) const override {
    infer_binary(context, Types::numbers);
    propagate_dims(context, {.commutative = true, .neutral = 0}, checked_add);
  }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return wrap_add(a, b); });
  }
};

HONE_DEFINE_OP(Add)

}  // namespace hone::ops
