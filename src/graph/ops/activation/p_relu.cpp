#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = x if x >= 0 else slope x; the slope broadcasts to the shape of x, so that a slope of [C, 1, 1] is per channel
struct PRelu : OpOf<PRelu> {
  const char* type() const override { return "PRelu"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = x if x >= 0 else slope x"};
  }
  void infer(InferContext& context) const override {
    infer_binary(context, Types::numbers);
    const Shape &x = context.shape(0), &slope = context.shape(1), &y = context.outputs[0].shape;
    bool grows = x.ranked && y.ranked && y.rank() > x.rank();
    for (size_t i = 0; x.ranked && y.ranked && !grows && i < x.dims.size(); ++i)
      grows = x[i].known() && y[i].known() && y[i] != x[i];
    if (grows)
      context.fail("slope " + to_string(slope) + " does not broadcast to the shape of x, " + to_string(x),
                   "a slope per channel has the shape [C, 1, 1]");
    context.set_output(0, context.dtype(0), x);
  }
  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &slope = context.in(1);
    if (broadcast_dims(context) != x.dims())
      context.fail("slope " + to_string(slope.dims()) + " does not broadcast to the shape of x, " +
                   to_string(x.dims()));
    evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return a < 0 ? wrap_mul(a, b) : a; });
  }
};

HONE_DEFINE_OP(PRelu)

}  // namespace hone::ops
