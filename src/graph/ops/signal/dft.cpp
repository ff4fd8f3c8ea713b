#include <fmt/format.h>

#include "graph/ops/axis.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/signal/fourier.hpp"

namespace hone::ops {

/// The discrete Fourier transform along an axis. Inputs: x [..., 1 (real) or 2 (complex)], dft_length (optional scalar:
/// the axis is cut or filled up with zeros), axis (optional scalar, -2). Output: the same with last size 2.
struct DFT : OpOf<DFT> {
  int64_t inverse = 0;
  /// Forward, of a real x: only the first dft_length / 2 + 1 values, the others are their conjugates.
  /// Inverse: x are those values, and the result is real (last size 1).
  int64_t onesided = 0;

  const char* type() const override { return "DFT"; }
  OpSpec spec() const override {
    return {.min_inputs = 1, .max_inputs = 3, .summary = "y[k] = sum of x[n] e^(-2 pi i k n / N)"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("inverse", inverse);
    visitor.field("onesided", onesided);
  }

  void infer(InferContext& context) const override {
    Shape result = context.shape(0);
    DType dtype = context.dtype(0);
    if (!result.ranked) return context.set_output(0, dtype, result);
    check_shape(context, result);
    auto axis = context.has_input(2) ? known_ints(context, 2) : std::vector<int64_t>{-2};
    auto length = known_ints(context, 1);
    if (axis && axis->size() != 1) context.fail("axis is " + to_string(Dims(*axis)) + ", expected one number");
    Shape sizes = result;
    if (!axis)
      for (size_t i = 0; i + 1 < result.dims.size(); ++i) result[i] = Dim();
    else {
      size_t at = checked_axis(context, axis->front(), result.rank());
      if (context.has_input(1)) {
        result[at] = length && length->size() == 1 && length->front() > 0 ? output_length(Dim(length->front())) : Dim();
      } else {
        result[at] = output_length(transform_length(sizes[at]));
      }
    }
    result.dims.back() = onesided && inverse ? 1 : 2;
    context.set_output(0, dtype, result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    check_shape(context, Shape(x.dims()));
    int64_t axis = one_number(context, 2, -2);
    size_t at = checked_axis(context, axis, x.rank());
    int64_t length = one_number(context, 1, transform_length(Dim(x.dims()[at])).value);
    if (length < 1) context.fail(fmt::format("dft_length is {}, expected at least 1", length));
    Dims dims = x.dims();
    dims[at] = output_length(Dim(length)).value;
    dims.back() = onesided && inverse ? 1 : 2;
    check_allocation(context.place(), DType::f64, dims);
    check_allocation(context.place(), DType::f64, {length, 8});
    with_float(context, x.dtype(), [&]<class T>(T) {
      Tensor wide = input_as<T>(context, 0);
      output_as<T>(context, 0, x.dtype(), dims, [&](T* y) {
        transform(pointer<T>(wide), AxisView(x.dims(), at), x.dims().back(), length, dims, at, y);
      });
    });
  }

 private:
  template <class Context>
  void check_shape(Context& context, const Shape& x) const {
    bool fits = x.rank() >= 2 && (!x.dims.back().known() || x.dims.back() == Dim(1) || x.dims.back() == Dim(2));
    if (!fits) context.fail("input has shape " + to_string(x) + ", expected [..., 1] (real) or [..., 2] (complex)");
    if (!onesided || !x.dims.back().known()) return;
    if (!inverse && x.dims.back() == Dim(2))
      context.fail("onesided is 1 for a complex input, whose transform has no symmetry", "set onesided to 0");
  }
  template <class Context>
  static size_t checked_axis(Context& context, int64_t axis, int64_t rank) {
    size_t at = front_axis(context, axis, rank);
    if (static_cast<int64_t>(at) == rank - 1) context.fail("axis is the last one, which holds real and imaginary part");
    return at;
  }
  static int64_t one_number(const EvalContext& context, size_t i, int64_t fallback) {
    std::vector<int64_t> value = int_list(context, i, {fallback});
    if (value.size() != 1) context.fail(fmt::format("input {} is {}, expected one number", i, to_string(Dims(value))));
    return value[0];
  }

  /// The length of the transform where none is given.
  Dim transform_length(const Dim& size) const {
    if (!(onesided && inverse)) return size;
    return size.known() ? Dim(std::max<int64_t>(2 * (size.value - 1), 1)) : Dim();
  }
  Dim output_length(const Dim& length) const {
    if (!onesided || inverse) return length;
    return length.known() ? Dim(length.value / 2 + 1) : Dim();
  }

  /// x [outer, size, inner * parts], where AxisView counts the parts into inner.
  template <class T>
  void transform(const T* x, const AxisView& view, int64_t parts, int64_t length, const Dims& dims, size_t at,
                 T* y) const {
    Fourier fourier(length, inverse != 0);
    std::vector<Fourier::Complex> line(static_cast<size_t>(length));
    int64_t lanes = view.inner / parts, outputs = dims[at], out_parts = dims.back();
    for (int64_t outer = 0; outer < view.outer; ++outer)
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const T* from = x + (outer * view.size * lanes + lane) * parts;
        auto read = [&](int64_t n) {
          const T* value = from + n * lanes * parts;
          return Fourier::Complex(static_cast<double>(value[0]), parts == 2 ? static_cast<double>(value[1]) : 0.0);
        };
        fill(line, view.size, read);
        fourier.transform(line);
        T* to = y + (outer * outputs * lanes + lane) * out_parts;
        for (int64_t k = 0; k < outputs; ++k, to += lanes * out_parts) {
          to[0] = static_cast<T>(line[static_cast<size_t>(k)].real());
          if (out_parts == 2) to[1] = static_cast<T>(line[static_cast<size_t>(k)].imag());
        }
      }
  }

  template <class Read>
  void fill(std::vector<Fourier::Complex>& line, int64_t size, Read read) const {
    auto length = static_cast<int64_t>(line.size());
    bool mirror = onesided && inverse;
    int64_t given = std::min(size, mirror ? length / 2 + 1 : length);
    std::fill(line.begin(), line.end(), Fourier::Complex(0));
    for (int64_t n = 0; n < given; ++n) line[static_cast<size_t>(n)] = read(n);
    if (mirror)
      for (int64_t n = 1; n < given && n < length - n; ++n)
        line[static_cast<size_t>(length - n)] = std::conj(line[static_cast<size_t>(n)]);
    // The middle of an even spectrum and its begin are real for a real result.
    if (!mirror) return;
    line[0] = line[0].real();
    if (length % 2 == 0) line[static_cast<size_t>(length / 2)] = line[static_cast<size_t>(length / 2)].real();
  }
};

HONE_DEFINE_OP(DFT)

}  // namespace hone::ops
