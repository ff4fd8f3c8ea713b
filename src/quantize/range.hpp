#pragma once
#include "quantize/histogram.hpp"
#include "tensor/dtype.hpp"

namespace hone {

/// How the clipping range of an activation is chosen from its histogram.
enum class RangeMethod {
  min_max,     ///< everything that was seen
  percentile,  ///< between two percentiles, so that rare outliers saturate
  mse,         ///< the range with the least expected squared error (rounding inside, saturation outside)
};

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
/// low == -high.
Range choose_range(const Histogram& histogram, RangeMethod method, double percentile, bool symmetric);

/// u8 with zero point 0 when nothing is negative. Otherwise u8 with a zero point, or, when `symmetric`, i8 with zero
/// point 0. The range is widened to hold 0, which every real padding needs exactly.
TensorQuant quant_for(Range range, bool symmetric);

/// i8 with zero point 0 whatever the sign (second factor of a matrix product).
TensorQuant signed_quant_for(Range range);

/// A real number after quantization to 8 bits and back.
float round_trip(float value, const TensorQuant& quant);

/// Expected squared error, summed over the values, of quantizing to 8 bits with this range.
double expected_error(const Histogram& histogram, Range range);

}  // namespace hone
