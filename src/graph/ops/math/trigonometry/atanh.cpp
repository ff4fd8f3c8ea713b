#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = atanh(x)
struct Atanh : OpOf<Atanh> {
  const char* type() const override { return "Atanh"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = atanh(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::atanh(x); });
  }
};

HONE_DEFINE_OP(Atanh)

}  // namespace hone::ops
