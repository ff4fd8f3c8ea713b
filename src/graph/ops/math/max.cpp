#include "graph/ops/math/variadic.hpp"

namespace hone::ops {

namespace {
void combine(EvalContext& context, const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch_types<Types::numbers>(context, y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    binary_rows<T, T>(a, b, y, [](auto p, auto q) { return max_nan(p, q); });
  });
}
}  // namespace

/// y = max(x0, x1, ...), with broadcasting
struct Max : OpOf<Max> {
  const char* type() const override { return "Max"; }
  OpSpec spec() const override { return variadic_spec("y = max(x0, x1, ...)"); }
  void infer(InferContext& context) const override { infer_binary(context, Types::numbers); }
  void evaluate(EvalContext& context) const override {
    auto pair = [&](const Tensor& a, const Tensor& b, Tensor& y) { combine(context, a, b, y); };
    evaluate_variadic(context, pair);
  }
};

HONE_DEFINE_OP(Max)

}  // namespace hone::ops
