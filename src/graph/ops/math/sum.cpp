#include "graph/ops/math/variadic.hpp"

namespace hone::ops {

namespace {
void combine(EvalContext& context, const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch_types<Types::floats>(context, y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    binary_rows<T, T>(a, b, y, [](auto p, auto q) { return p + q; });
  });
}
}  // namespace

/// y = x0 + x1 + ..., with broadcasting
struct Sum : OpOf<Sum> {
  const char* type() const override { return "Sum"; }
  OpSpec spec() const override { return variadic_spec("y = x0 + x1 + ..."); }
  void infer(InferContext& context) const override { infer_binary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    auto pair = [&](const Tensor& a, const Tensor& b, Tensor& y) { combine(context, a, b, y); };
    evaluate_variadic(context, pair);
  }
};

HONE_DEFINE_OP(Sum)

}  // namespace hone::ops
