#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "quantize/histogram.hpp"
#include "quantize/round_even.hpp"
#include "tensor/dtype.hpp"

namespace hone {

/// How the clipping range of an activation is chosen from its histogram.
enum class RangeMethod {
  min_max,     ///< everything that was seen
  percentile,  ///< between two percentiles, so that rare outliers saturate
  mse,         ///< the range with the least expected squared error (rounding inside, saturation outside)
  mean_min_max,  ///< the mean, over samples, of what each one reached
  entropy,  ///< least Kullback-Leibler divergence: Migacz 2017, "8-bit Inference with TensorRT", GTC
  automatic,  ///< min_max, or mse or mean_min_max where that halves the error on held-out samples
};

/// "min_max", "percentile", ... "auto", and back; nullopt for an unknown name.
const char* name_of(RangeMethod method);
std::optional<RangeMethod> range_method_from_name(std::string_view name);
/// All that are a rule for one histogram, so not `automatic`, in the order of the enumeration.
std::span<const RangeMethod> range_methods();

/// Real numbers that a quantized type has to represent.
struct Range {
  double low = 0, high = 0;
};

/// real = scale * (q - zero_point)
struct TensorQuant {
  DType dtype = DType::u8;
  float scale = 1;
  int zero_point = 0;
  bool operator==(const TensorQuant&) const = default;
};

/// The range of the values in `histogram`, always with 0 in it. `percentile` (50 to 100] is the share of values, in
/// percent, below the upper and above the lower end. With `symmetric`, a range with negative values has
/// low == -high. `mean` is the range for RangeMethod::mean_min_max, what was seen if absent.
Range choose_range(const Histogram& histogram, RangeMethod method, double percentile, bool symmetric,
                   std::optional<Range> mean = std::nullopt);

/// The largest magnitude that RangeMethod::entropy keeps: of all thresholds, the one at which the distribution of
/// magnitudes, clipped, differs least from its form in `levels` steps. Zeros do not count.
double entropy_threshold(const Histogram& histogram, int levels);

/// u8 with zero point 0 when nothing is negative. Otherwise u8 with a zero point, or, when `symmetric`, i8 with zero
/// point 0. The range is widened to hold 0, which every real padding needs exactly.
TensorQuant quant_for(Range range, bool symmetric);

/// i8 with zero point 0 whatever the sign (second factor of a matrix product).
TensorQuant signed_quant_for(Range range);

/// A real number after quantization to 8 bits and back.
inline float round_trip(float value, const TensorQuant& quant) {
  float zero = static_cast<float>(quant.zero_point), low = quant.dtype == DType::i8 ? -128.0F : 0.0F;
  return quant.scale * round_even(std::clamp(value / quant.scale, low - zero, low + 255 - zero));
}

/// Expected squared error, summed over the values, of quantizing to 8 bits with this range.
double expected_error(const Histogram& histogram, Range range);

}  // namespace hone
