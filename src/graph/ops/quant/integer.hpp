#pragma once
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "graph/op.hpp"

/// What integer ops share.
namespace hone::ops {

/// How scale or zero point `i` goes over a tensor of sizes `dims`: the step on each axis from number to number. It is
/// one number, one for each position on `axis`, or a tensor that broadcasts to `dims`; fails on anything else.
Dims parameter_steps(const EvalContext& context, size_t i, const char* what, const Dims& dims, int axis);
/// The number that input i has for every element of a tensor of these sizes.
std::vector<double> parameter_values(const EvalContext& context, size_t i, const char* what, const Dims& dims,
                                     int axis);

/// Input i (8-bit) minus its zero point as u32, the two's complement of i32. The zero point is input `zero`, absent or
/// as parameter_steps() says.
Tensor without_zero_point(const EvalContext& context, size_t i, size_t zero, int axis);

/// The only element of input i in floating point; fails when there are more.
double scalar_input(const EvalContext& context, size_t i, const char* what);

/// saturate(round_half_even(value) + zero_point) in the integer type T (at most 32 bits); NaN becomes the zero point.
template <class T>
T quantized(double value, int64_t zero_point) {
  double low = static_cast<double>(std::numeric_limits<T>::min() - zero_point);
  double high = static_cast<double>(std::numeric_limits<T>::max() - zero_point);
  if (!(value == value)) return static_cast<T>(zero_point);
  // Adding 1.5 * 2^52 leaves no bits for a fraction: the addition itself rounds half to even.
  constexpr double no_fraction = 6755399441055744.0;
  double rounded = std::clamp(value, low, high) + no_fraction - no_fraction;
  return static_cast<T>(static_cast<int64_t>(rounded) + zero_point);
}

/// Calls f(T{}) with the integer type that a tensor is quantized to; fails on other types.
template <class F>
void with_quantized(const EvalContext& context, DType dtype, F&& f) {
  switch (dtype) {
    case DType::u8: return f(uint8_t{});
    case DType::i8: return f(int8_t{});
    case DType::u16: return f(uint16_t{});
    case DType::i16: return f(int16_t{});
    default: context.fail(fmt::format("quantizes to {}, expected u8, i8, u16 or i16", name_of(dtype)));
  }
}

}  // namespace hone::ops
