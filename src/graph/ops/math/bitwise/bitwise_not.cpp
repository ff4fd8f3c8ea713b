#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = ~x
struct BitwiseNot : OpOf<BitwiseNot> {
  const char* type() const override { return "BitwiseNot"; }
  OpSpec spec() const override { return {.traits = elementwise_traits, .summary = "y = ~x"}; }
  void infer(InferContext& context) const override { infer_unary(context, Types::integers); }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    dispatch_types<Types::integers>(context, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T* in = static_cast<const T*>(x.raw());
      T* out = static_cast<T*>(context.out(0, x.dtype(), x.dims()).mutable_raw());
      for (int64_t i = 0; i < x.size(); ++i) out[i] = static_cast<T>(~in[i]);
    });
  }
};

HONE_DEFINE_OP(BitwiseNot)

}  // namespace hone::ops
