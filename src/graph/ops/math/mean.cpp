#include "graph/ops/math/variadic.hpp"

namespace hone::ops {

namespace {
void combine(EvalContext& context, const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch_types<Types::floats>(context, y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    binary_rows<T, T>(a, b, y, [](auto p, auto q) { return p + q; });
  });
}
void scale(Tensor& y, int64_t inputs) {
  auto divide = [&](auto values) {
    for (auto& value : values) value /= static_cast<std::remove_reference_t<decltype(value)>>(inputs);
  };
  if (y.dtype() == DType::f64) divide(y.mutable_data<double>());
  else divide(y.mutable_data<float>());
}
}  // namespace

/// y = (x0 + x1 + ...) / inputs, with broadcasting
struct Mean : OpOf<Mean> {
  const char* type() const override { return "Mean"; }
  OpSpec spec() const override { return variadic_spec("y = (x0 + x1 + ...) / inputs"); }
  void infer(InferContext& context) const override { infer_binary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    auto pair = [&](const Tensor& a, const Tensor& b, Tensor& y) { combine(context, a, b, y); };
    evaluate_variadic(context, pair, scale);
  }
};

HONE_DEFINE_OP(Mean)

}  // namespace hone::ops
