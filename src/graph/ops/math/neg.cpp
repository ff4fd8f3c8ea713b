#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = -x
struct Neg : OpOf<Neg> {
  const char* type() const override { return "Neg"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = -x"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::numbers); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary(context, [](auto x) {
      using T = decltype(x);
      if constexpr (std::is_floating_point_v<T>) return -x;
      else return wrap_sub(T(0), x);
    });
  }
};

HONE_DEFINE_OP(Neg)

}  // namespace hone::ops
