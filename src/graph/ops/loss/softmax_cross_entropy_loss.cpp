#include <algorithm>
#include <cmath>

#include "graph/ops/axis.hpp"
#include "graph/ops/loss/loss.hpp"
#include "graph/ops/nn/compute.hpp"

namespace hone::ops {

namespace {

/// y = log(softmax(x)) along the middle axis.
template <class T>
void log_softmax(const AxisView& view, const T* x, T* y) {
  for (int64_t outer = 0; outer < view.outer; ++outer)
    for (int64_t inner = 0; inner < view.inner; ++inner) {
      auto at = [&](int64_t c) { return (outer * view.size + c) * view.inner + inner; };
      T top = x[at(0)];
      for (int64_t c = 1; c < view.size; ++c) top = std::max(top, x[at(c)]);
      double sum = 0;
      for (int64_t c = 0; c < view.size; ++c) sum += std::exp(static_cast<double>(x[at(c)] - top));
      auto shift = static_cast<T>(std::log(sum));
      for (int64_t c = 0; c < view.size; ++c) y[at(c)] = x[at(c)] - top - shift;
    }
}

}  // namespace

/// loss[n, d] = -weights[label] * log(softmax(x[n, :, d]))[label]; the second output is the log-probabilities. See
/// loss.hpp for the shapes.
struct SoftmaxCrossEntropyLoss : OpOf<SoftmaxCrossEntropyLoss>, LossFields {
  const char* type() const override { return "SoftmaxCrossEntropyLoss"; }
  OpSpec spec() const override {
    return {.min_inputs = 2,
            .max_inputs = 3,
            .min_outputs = 1,
            .max_outputs = 2,
            .summary = "loss = -weights[label] log(softmax(x))[label], reduced"};
  }
  void attributes(AttributeVisitor& visitor) override { visit(visitor); }

  void infer(InferContext& context) const override {
    infer_loss(context, *this);
    context.set_output(1, context.dtype(0), context.shape(0));
  }

  void evaluate(EvalContext& context) const override {
    check_loss(context, *this);
    const Tensor& scores = context.in(0);
    if (scores.dim(1) == 0) context.fail("input has shape " + to_string(scores.dims()) + ", which has no classes");
    with_float(context, scores.dtype(), [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0), y(dtype_of<T>(), scores.dims());
      log_softmax(AxisView(scores.dims(), 1), pointer<T>(x), y.mutable_data<T>().data());
      reduce_loss(context, *this, pointer<T>(y));
      if (context.output_count() > 1) context.set(1, y.cast(scores.dtype()));
    });
  }
};

HONE_DEFINE_OP(SoftmaxCrossEntropyLoss)

}  // namespace hone::ops
