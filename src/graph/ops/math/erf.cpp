#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = erf(x), the error function; integers are truncated
struct Erf : OpOf<Erf> {
  const char* type() const override { return "Erf"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = erf(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::numbers); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary(context, [](auto x) {
      if constexpr (std::is_floating_point_v<decltype(x)>) return std::erf(x);
      else return std::erf(static_cast<double>(x));
    });
  }
};

HONE_DEFINE_OP(Erf)

}  // namespace hone::ops
