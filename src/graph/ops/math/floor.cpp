#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = the largest integer not above x
struct Floor : OpOf<Floor> {
  const char* type() const override { return "Floor"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = the largest integer not above x"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::floor(x); });
  }
};

HONE_DEFINE_OP(Floor)

}  // namespace hone::ops
