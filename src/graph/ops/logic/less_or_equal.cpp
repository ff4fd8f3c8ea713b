#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = a <= b, with broadcasting
struct LessOrEqual : OpOf<LessOrEqual> {
  const char* type() const override { return "LessOrEqual"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = a <= b"};
  }
  void infer(InferContext& context) const override { infer_binary(context, Types::numbers, DType::boolean); }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<bool, Types::numbers>(context, [](auto a, auto b) { return a <= b; });
  }
};

HONE_DEFINE_OP(LessOrEqual)

}  // namespace hone::ops
