#include <fmt/format.h>

#include "graph/op.hpp"
#include "graph/ops/axis.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// Reverses the first sequence_lens[n] steps of every sequence n. Inputs: x, sequence_lens [batch].
struct ReverseSequence : OpOf<ReverseSequence> {
  int64_t batch_axis = 1, time_axis = 0;  ///< 0 and 1 in one of the two orders

  const char* type() const override { return "ReverseSequence"; }
  OpSpec spec() const override {
    return {.min_inputs = 2,
            .max_inputs = 2,
            .traits = 0u | Trait::scale_preserving,
            .summary = "y = x with the first sequence_lens[n] steps of sequence n in reverse"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("batch_axis", batch_axis);
    visitor.field("time_axis", time_axis);
  }

  void infer(InferContext& context) const override {
    check_axes(context);
    const Shape &x = context.shape(0), &lengths = context.shape(1);
    if (x.ranked && x.rank() < 2) context.fail("input has shape " + to_string(x) + ", expected at least 2 axes");
    if (x.ranked && lengths.ranked) {
      const Dim& batch = x[static_cast<size_t>(batch_axis)];
      if (lengths.rank() != 1 || (batch.known() && lengths[0].known() && batch != lengths[0]))
        context.fail(fmt::format("sequence_lens has shape {}, expected [{}]", to_string(lengths), to_string(batch)));
    }
    context.set_output(0, context.dtype(0), x);
  }

  void evaluate(EvalContext& context) const override {
    check_axes(context);
    const Tensor& x = context.in(0);
    if (x.rank() < 2) context.fail("input has shape " + to_string(x.dims()) + ", expected at least 2 axes");
    int64_t batch = x.dim(static_cast<int>(batch_axis)), steps = x.dim(static_cast<int>(time_axis));
    std::vector<int64_t> lengths = int_list(context, 1);
    if (static_cast<int64_t>(lengths.size()) != batch)
      context.fail(fmt::format("has {} sequence_lens for {} sequences", lengths.size(), batch));
    for (int64_t length : lengths)
      if (length < 0 || length > steps)
        context.fail(fmt::format("sequence_lens has {}, expected 0 to {}", length, steps));
    int64_t inner = count_between(x.dims(), 2, x.dims().size());
    move_elements(context, 0, x, x.dims(), [&](const auto* in, auto* out) {
      for (int64_t n = 0; n < batch; ++n)
        for (int64_t t = 0; t < steps; ++t) {
          int64_t length = lengths[static_cast<size_t>(n)], from = t < length ? length - 1 - t : t;
          auto at = [&](int64_t step) { return (batch_axis == 0 ? n * steps + step : step * batch + n) * inner; };
          std::copy(in + at(from), in + at(from) + inner, out + at(t));
        }
    });
  }

 private:
  template <class Context>
  void check_axes(Context& context) const {
    if (batch_axis == time_axis || batch_axis < 0 || batch_axis > 1 || time_axis < 0 || time_axis > 1)
      context.fail(fmt::format("batch_axis {} and time_axis {} are not 0 and 1", batch_axis, time_axis));
  }
};

HONE_DEFINE_OP(ReverseSequence)

}  // namespace hone::ops
