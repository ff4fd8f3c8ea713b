#include "graph/ops/recurrent/rnn.hpp"

namespace hone::ops {

namespace {
const RecurrentKind& kind() {
  static const RecurrentKind rnn{1, {"Tanh"}, 1};
  return rnn;
}
}  // namespace

OpSpec RNN::spec() const {
  return {.min_inputs = 3, .max_inputs = 6, .min_outputs = 1, .max_outputs = 2, .summary = "h = f(x w' + h r' + b)"};
}

void RNN::attributes(AttributeVisitor& visitor) { visit(visitor); }

void RNN::infer(InferContext& context) const { infer_recurrent(context, *this, kind()); }

void RNN::evaluate(EvalContext& context) const {
  with_float(context, context.in(0).dtype(), [&]<class T>(T) {
    Recurrence<T> recurrence(context, *this, kind());
    const RecurrentSizes& sizes = recurrence.sizes;
    auto cell = [&](const typename Recurrence<T>::Step& step) {
      const CellActivation& f = recurrence.activations[static_cast<size_t>(step.direction)];
      multiply_add(step.h, step.recurrent, step.gates, sizes.batch, sizes.hidden, sizes.hidden, sizes.hidden);
      for (int64_t i = 0; i < sizes.batch * sizes.hidden; ++i)
        step.next[i] = f(recurrence.clipped(step.gates[i] + step.bias[i % sizes.hidden]));
    };
    recurrence.run(cell, [](int64_t, const auto&) {});
    recurrence.finish(context);
  });
}

HONE_DEFINE_OP(RNN)

}  // namespace hone::ops
