#include <fmt/format.h>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/signal/fourier.hpp"

namespace hone::ops {

/// The Fourier transform of overlapping pieces of a signal. Inputs: signal [batch, length, 1 (real) or 2 (complex)],
/// frame_step (scalar), window (optional, [frame_length]), frame_length (optional scalar: the window's length, or the
/// signal's). Output: [batch, frames, bins, 2].
struct STFT : OpOf<STFT> {
  int64_t onesided = 1;  ///< only frame_length / 2 + 1 bins; the signal must be real

  const char* type() const override { return "STFT"; }
  OpSpec spec() const override {
    return {
        .min_inputs = 2, .max_inputs = 4, .summary = "y[i] = the Fourier transform of frame i of x, times a window"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("onesided", onesided); }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    Shape result = unknown_sizes(4);
    result[3] = 2;
    if (x.ranked) {
      check_shape(context, x);
      result[0] = x[0];
    }
    std::optional<int64_t> frame = known_frame(context, x);
    auto step = known_ints(context, 1);
    if (frame && *frame > 0) result[2] = onesided ? *frame / 2 + 1 : *frame;
    if (frame && step && x.ranked && x[1].known()) result[1] = frames(context, x[1].value, *frame, *step);
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    check_shape(context, Shape(x.dims()));
    int64_t length = x.dim(1), frame = length;
    if (context.has(2) && context.in(2).rank() != 1)
      context.fail("window has shape " + to_string(context.in(2).dims()) + ", expected one axis");
    if (context.has(2)) frame = context.in(2).size();
    if (context.has(3)) frame = one_number(context, int_list(context, 3), "frame_length");
    if (context.has(2) && context.in(2).size() > frame)
      context.fail(fmt::format("window has {} elements, frames have {}", context.in(2).size(), frame));
    std::vector<int64_t> steps = int_list(context, 1);
    Dims dims{x.dim(0), frames(context, length, frame, steps), onesided ? frame / 2 + 1 : frame, 2};
    check_allocation(context.place(), DType::f64, dims);
    with_float(context, x.dtype(), [&]<class T>(T) {
      Tensor signal = input_as<T>(context, 0), window;
      if (context.has(2)) window = input_as<T>(context, 2);
      output_as<T>(context, 0, x.dtype(), dims, [&](T* y) { transform<T>(signal, window, frame, steps[0], dims, y); });
    });
  }

 private:
  template <class Context>
  void check_shape(Context& context, const Shape& x) const {
    bool fits = x.rank() == 3 && (!x[2].known() || x[2] == Dim(1) || x[2] == Dim(2));
    if (!fits)
      context.fail("signal has shape " + to_string(x) +
                   ", expected [batch, length, 1] or [batch, length, 2] (complex)");
    if (onesided && x[2] == Dim(2))
      context.fail("onesided is 1 for a complex signal, whose transform has no symmetry", "set onesided to 0");
  }
  template <class Context>
  static int64_t one_number(Context& context, const std::vector<int64_t>& value, const char* what) {
    if (value.size() != 1 || value[0] < 1)
      context.fail(fmt::format("{} is {}, expected one number of at least 1", what, to_string(Dims(value))));
    return value[0];
  }
  template <class Context>
  static int64_t frames(Context& context, int64_t length, int64_t frame, const std::vector<int64_t>& steps) {
    int64_t step = one_number(context, steps, "frame_step");
    if (frame < 1 || frame > length)
      context.fail(fmt::format("frames have {} elements, the signal has {}", frame, length));
    return 1 + (length - frame) / step;
  }
  static std::optional<int64_t> known_frame(const InferContext& context, const Shape& x) {
    if (context.has_input(3)) {
      auto length = known_ints(context, 3);
      return length ? std::optional(one_number(context, *length, "frame_length")) : std::nullopt;
    }
    const Shape& from = context.has_input(2) ? context.shape(2) : x;
    size_t axis = context.has_input(2) ? 0 : 1;
    bool known = from.ranked && from.dims.size() > axis && from[axis].known();
    return known ? std::optional(from[axis].value) : std::nullopt;
  }

  template <class T>
  static void transform(const Tensor& signal, const Tensor& window, int64_t frame, int64_t step, const Dims& dims,
                        T* y) {
    Fourier fourier(frame, false);
    std::vector<Fourier::Complex> line(static_cast<size_t>(frame));
    int64_t length = signal.dim(1), parts = signal.dim(2), width = window.defined() ? window.size() : frame;
    for (int64_t n = 0; n < dims[0]; ++n)
      for (int64_t i = 0; i < dims[1]; ++i) {
        const T* from = pointer<T>(signal) + (n * length + i * step) * parts;
        std::fill(line.begin(), line.end(), Fourier::Complex(0));
        for (int64_t k = 0; k < width; ++k) {
          double weight = window.defined() ? static_cast<double>(pointer<T>(window)[k]) : 1;
          double imaginary = parts == 2 ? static_cast<double>(from[k * 2 + 1]) : 0;
          line[static_cast<size_t>(k)] = Fourier::Complex(static_cast<double>(from[k * parts]), imaginary) * weight;
        }
        fourier.transform(line);
        for (int64_t k = 0; k < dims[2]; ++k) {
          *y++ = static_cast<T>(line[static_cast<size_t>(k)].real());
          *y++ = static_cast<T>(line[static_cast<size_t>(k)].imag());
        }
      }
  }
};

HONE_DEFINE_OP(STFT)

}  // namespace hone::ops
