#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = a xor b, with broadcasting
struct Xor : OpOf<Xor> {
  const char* type() const override { return "Xor"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = commutative_traits, .summary = "y = a xor b"};
  }
  void infer(InferContext& context) const override { infer_binary(context, Types::boolean, DType::boolean); }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<bool, Types::boolean>(context, [](bool a, bool b) { return a != b; });
  }
};

HONE_DEFINE_OP(Xor)

}  // namespace hone::ops
