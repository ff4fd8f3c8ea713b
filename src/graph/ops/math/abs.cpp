#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = |x|
struct Abs : OpOf<Abs> {
  const char* type() const override { return "Abs"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = |x|"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::numbers); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary(context, [](auto x) {
      using T = decltype(x);
      if constexpr (std::is_floating_point_v<T>) return std::abs(x);
      else if constexpr (std::is_signed_v<T>) return x < 0 ? wrap_sub(T(0), x) : x;
      else return x;
    });
  }
};

HONE_DEFINE_OP(Abs)

}  // namespace hone::ops
