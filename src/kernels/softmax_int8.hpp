#pragma once
#include <cstdint>

#include "kernels/isa.hpp"
#include "kernels/normalize.hpp"

/// Softmax from 8 bits to 8 bits without floats in memory. With real = scale * (q - zero), the zero point of the input
/// cancels. Kernels never allocate, throw or lock; they may work in place.
namespace hone::kernels {

struct SoftmaxInt8 {
  bool x_signed = false, y_signed = false;
  float x_scale = 1, y_scale = 1;
  int y_zero = 0;
  int64_t length = 1, inner = 1;  ///< the softmax is over the middle axis of [outer, length, inner]

  /// What is spread over threads: rows, or units of columns when there is something behind the axis.
  int64_t units(int64_t outer) const { return inner == 1 ? outer : outer * column_units(inner); }
};

struct SoftmaxInt8Kernels {
  /// y = saturate(round_to_even(p / y_scale) + y_zero) for units [begin, end), where p is the softmax. Errors of p are
  /// below 1e-5 of it.
  void (*run)(const SoftmaxInt8& settings, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end);
};

const SoftmaxInt8Kernels& softmax_int8_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
