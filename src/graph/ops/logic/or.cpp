#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = a or b, with broadcasting
struct Or : OpOf<Or> {
  const char* type() const override { return "Or"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = commutative_traits, .summary = "y = a or b"};
  }
  void infer(InferContext& context) const override { infer_binary(context, Types::boolean, DType::boolean); }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<bool, Types::boolean>(context, [](bool a, bool b) { return a || b; });
  }
};

HONE_DEFINE_OP(Or)

}  // namespace hone::ops
