#include <array>
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

/// A matrix that turns a spectrogram into one of mel bins: triangles that overlap by half, equally wide in mel.
/// Inputs (scalars): num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz.
/// Output: [dft_length / 2 + 1, num_mel_bins].
struct MelWeightMatrix : OpOf<MelWeightMatrix> {
  DType output_datatype = DType::f32;

  const char* type() const override { return "MelWeightMatrix"; }
  OpSpec spec() const override {
    return {.min_inputs = 5, .max_inputs = 5, .summary = "y = the weights of spectrogram bins in mel bins"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("output_datatype", output_datatype); }

  void infer(InferContext& context) const override {
    check_type(context);
    auto bins = known_ints(context, 0), length = known_ints(context, 1);
    Shape result = unknown_sizes(2);
    if (length && length->size() == 1) result[0] = std::max<int64_t>(length->front() / 2 + 1, 0);
    if (bins && bins->size() == 1) result[1] = std::max<int64_t>(bins->front(), 0);
    context.set_output(0, output_datatype, result);
  }

  void evaluate(EvalContext& context) const override {
    check_type(context);
    int64_t bins = whole(context, 0, "num_mel_bins"), length = whole(context, 1, "dft_length");
    int64_t rate = whole(context, 2, "sample_rate"), rows = length / 2 + 1;
    double low = hertz(context, 3), high = hertz(context, 4);
    if (!(low >= 0 && low <= high && std::isfinite(high)))
      context.fail(fmt::format("edges are {} and {} Hz, expected 0 <= lower <= upper", low, high));
    check_allocation(context.place(), DType::f64, {rows, bins});
    Tensor matrix = Tensor::zeros(DType::f64, {rows, bins});
    double* y = matrix.mutable_data<double>().data();
    std::vector<int64_t> edges = edges_of(bins, length, rate, low, high);
    if (edges.back() >= rows)
      context.fail(fmt::format("upper_edge_hertz {} is bin {} of a spectrogram with {}", high, edges.back(), rows),
                   "use an upper edge of at most half the sample rate");
    for (int64_t i = 0; i < bins; ++i) {
      int64_t left = edges[static_cast<size_t>(i)], center = edges[static_cast<size_t>(i + 1)];
      int64_t right = edges[static_cast<size_t>(i + 2)];
      if (left == center)
        y[center * bins + i] = 1;
      else
        for (int64_t j = left; j <= center; ++j) y[j * bins + i] = ratio(j - left, center - left);
      for (int64_t j = center; j < right; ++j) y[j * bins + i] = ratio(right - j, right - center);
    }
    context.set(0, matrix.cast(output_datatype));
  }

 private:
  template <class Context>
  void check_type(Context& context) const {
    if (!accepts(Types::numbers, output_datatype))
      context.fail(fmt::format("output_datatype is {}, expected a number type", name_of(output_datatype)));
  }

  static double ratio(int64_t a, int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

  static int64_t whole(const EvalContext& context, size_t i, const char* what) {
    std::vector<int64_t> value = int_list(context, i);
    if (value.size() != 1 || value[0] < 1 || value[0] > (int64_t{1} << 31))
      context.fail(fmt::format("{} is {}, expected one number from 1 to 2^31", what, to_string(Dims(value))));
    return value[0];
  }
  static double hertz(const EvalContext& context, size_t i) {
    if (context.in(i).size() != 1)
      context.fail(fmt::format("input {} has shape {}, expected a scalar", i, to_string(context.in(i).dims())));
    return context.in(i).scalar_as_double();
  }

  /// The spectrogram bins at which triangles begin, peak and end.
  static std::vector<int64_t> edges_of(int64_t bins, int64_t length, int64_t rate, double low, double high) {
    auto mel = [](double frequency) { return 2595 * std::log10(1 + frequency / 700); };
    double first = mel(low), step = (mel(high) - first) / static_cast<double>(bins + 2);
    std::vector<int64_t> edges;
    for (int64_t i = 0; i < bins + 2; ++i) {
      double frequency = 700 * (std::pow(10, (first + static_cast<double>(i) * step) / 2595) - 1);
      double bin = std::floor(static_cast<double>(length + 1) * frequency / static_cast<double>(rate));
      edges.push_back(static_cast<int64_t>(std::min(bin, 1e15)));  // far past every spectrogram, which is an error
    }
    return edges;
  }
};

HONE_DEFINE_OP(MelWeightMatrix)

}  // namespace hone::ops
