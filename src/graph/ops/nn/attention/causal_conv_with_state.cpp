#include <algorithm>
#include <cmath>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// A depthwise convolution over the steps so far, which goes on where an earlier call ended. Inputs: x [batch,
/// channels, steps], w [channels, 1, taps], b [channels] (optional), past_state [batch, channels, taps - 1] (optional:
/// zeros).
/// Outputs: y as x, the last taps - 1 steps of past_state and x.
struct CausalConvWithState : OpOf<CausalConvWithState> {
  std::string activation = "none";  ///< none, or silu or swish: y sigmoid(y)

  const char* type() const override { return "CausalConvWithState"; }
  OpSpec spec() const override {
    return {.min_inputs = 2,
            .max_inputs = 4,
            .min_outputs = 1,
            .max_outputs = 2,
            .summary = "y[t] = b + sum of w[i] x[t - taps + 1 + i], with x before 0 from past_state"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("activation", activation); }

  void infer(InferContext& context) const override {
    const Shape &x = context.shape(0), &w = context.shape(1);
    check(context, x, w);
    Dim channels = x.ranked ? x[1] : Dim();
    check_vector(context, 2, "bias", channels);
    Dim kept = w.ranked && w[2].known() ? Dim(w[2].value - 1) : Dim();
    if (context.has_input(3)) check_state(context, context.shape(3), x, kept);
    context.set_output(0, context.dtype(0), x);
    context.set_output(1, context.dtype(0), Shape{x.ranked ? x[0] : Dim(), channels, kept});
  }

  void evaluate(EvalContext& context) const override {
    const Dims &dims = context.in(0).dims(), &w = context.in(1).dims();
    check(context, Shape(dims), Shape(w));
    if (context.has(2)) check_vector(context, 2, "bias", dims[1]);
    int64_t kept = w[2] - 1;
    if (context.has(3)) check_state(context, Shape(context.in(3).dims()), Shape(dims), kept);
    check_allocation(context.place(), DType::f32, {dims[0], dims[1], kept + dims[2]});
    with_float(context, context.in(0).dtype(), [&]<class T>(T) { run<T>(context, dims, w[2]); });
  }

 private:
  template <class Context>
  void check(Context& context, const Shape& x, const Shape& w) const {
    if (activation != "none" && activation != "silu" && activation != "swish")
      context.fail("activation is '" + activation + "', expected none, silu or swish");
    if (x.ranked && x.rank() != 3)
      context.fail("input has shape " + to_string(x) + ", expected [batch, channels, steps]");
    bool fits = !w.ranked || (w.rank() == 3 && (!w[1].known() || w[1].value == 1) && (!w[2].known() || w[2].value > 0));
    if (fits && x.ranked && w.ranked) fits = !x[1].known() || !w[0].known() || x[1] == w[0];
    if (!fits)
      context.fail(fmt::format("weight has shape {}, expected [channels, 1, taps] for the input {}", to_string(w),
                               to_string(x)));
  }
  template <class Context>
  static void check_state(Context& context, const Shape& state, const Shape& x, const Dim& kept) {
    if (!state.ranked || !x.ranked) return;
    Shape wanted{x[0], x[1], kept};
    bool fits = state.rank() == 3;
    for (size_t i = 0; fits && i < 3; ++i) fits = !state[i].known() || !wanted[i].known() || state[i] == wanted[i];
    if (!fits)
      context.fail(fmt::format("past_state has shape {}, expected {}", to_string(state), to_string(wanted)));
  }

  template <class T>
  void run(EvalContext& context, const Dims& dims, int64_t taps) const {
    Tensor x = input_as<T>(context, 0), w = input_as<T>(context, 1), bias, past;
    if (context.has(2)) bias = input_as<T>(context, 2);
    if (context.has(3)) past = input_as<T>(context, 3);
    int64_t steps = dims[2], kept = taps - 1;
    DType dtype = context.in(0).dtype();
    Tensor state(dtype_of<T>(), {dims[0], dims[1], kept});
    T* next = state.mutable_data<T>().data();
    std::vector<T> line(static_cast<size_t>(kept + steps));
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      for (int64_t row = 0; row < dims[0] * dims[1]; ++row, y += steps, next += kept) {
        const T *from = pointer<T>(x) + row * steps, *weight = pointer<T>(w) + row % dims[1] * taps;
        if (past.defined()) std::copy_n(pointer<T>(past) + row * kept, kept, line.begin());
        std::copy(from, from + steps, line.begin() + kept);
        std::fill(y, y + steps, bias.defined() ? pointer<T>(bias)[row % dims[1]] : T(0));
        for (int64_t i = 0; i < taps; ++i)
          for (int64_t t = 0; t < steps; ++t) y[t] += weight[i] * line[static_cast<size_t>(t + i)];
        if (activation != "none")
          for (int64_t t = 0; t < steps; ++t) y[t] = y[t] / (1 + std::exp(-y[t]));
        std::copy(line.end() - kept, line.end(), next);
      }
    });
    if (context.output_count() > 1) context.set(1, state.cast(dtype));
  }
};

HONE_DEFINE_OP(CausalConvWithState)

}  // namespace hone::ops
