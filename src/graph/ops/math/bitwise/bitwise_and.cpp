#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = a & b, with broadcasting
struct BitwiseAnd : OpOf<BitwiseAnd> {
  const char* type() const override { return "BitwiseAnd"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = commutative_traits, .summary = "y = a & b"};
  }
  void infer(InferContext& context) const override { infer_binary(context, Types::integers); }
  void evaluate(EvalContext& context) const override {
    evaluate_binary<void, Types::integers>(context, [](auto a, auto b) { return a & b; });
  }
};

HONE_DEFINE_OP(BitwiseAnd)

}  // namespace hone::ops
