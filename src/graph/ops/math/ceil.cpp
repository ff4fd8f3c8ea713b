#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = the smallest integer not below x
struct Ceil : OpOf<Ceil> {
  const char* type() const override { return "Ceil"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = the smallest integer not below x"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::ceil(x); });
  }
};

HONE_DEFINE_OP(Ceil)

}  // namespace hone::ops
