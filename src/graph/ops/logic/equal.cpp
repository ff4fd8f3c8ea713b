#include "graph/ops/elementwise.hpp"

namespace hone::ops {

namespace {
void compare_strings(EvalContext& context, const Tensor& a, const Tensor& b) {
  Tensor& y = context.out(0, DType::boolean, broadcast_dims(context));
  bool* out = static_cast<bool*>(y.mutable_raw());
  const auto &p = a.strings(), &q = b.strings();
  for_each_broadcast_row(y.dims(), {&a.dims(), &b.dims()}, [&](const BroadcastRow& row) {
    for (int64_t i = 0; i < row.count; ++i)
      out[row.out + i] = p[static_cast<size_t>(row.begin[0] + i * row.step[0])] ==
                         q[static_cast<size_t>(row.begin[1] + i * row.step[1])];
  });
}
}  // namespace

/// y = (a == b), with broadcasting; for numbers, bool and strings
struct Equal : OpOf<Equal> {
  const char* type() const override { return "Equal"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = commutative_traits, .summary = "y = (a == b)"};
  }
  void infer(InferContext& context) const override {
    require_same_type(context, 0, 1);
    infer_broadcast(context, DType::boolean);
  }
  void evaluate(EvalContext& context) const override {
    const Tensor &a = context.in(0), &b = context.in(1);
    if (a.dtype() == DType::string && b.dtype() == DType::string) return compare_strings(context, a, b);
    evaluate_binary<bool>(context, [](auto p, auto q) { return p == q; });
  }
};

HONE_DEFINE_OP(Equal)

}  // namespace hone::ops
