#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = not x
struct Not : OpOf<Not> {
  const char* type() const override { return "Not"; }
  OpSpec spec() const override { return {.traits = elementwise_traits, .summary = "y = not x"}; }
  void infer(InferContext& context) const override { infer_unary(context, Types::boolean); }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    auto in = x.data<bool>();
    auto out = context.out(0, DType::boolean, x.dims()).mutable_data<bool>();
    for (size_t i = 0; i < in.size(); ++i) out[i] = !in[i];
  }
};

HONE_DEFINE_OP(Not)

}  // namespace hone::ops
