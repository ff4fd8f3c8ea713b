#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// Reductions and normalizations of f32. Kernels work on a range and never allocate, throw or lock.
namespace hone::kernels {

enum class Reduction : uint8_t { sum, mean, maximum, minimum, sum_square, l1, l2 };

struct ReduceKernels {
  /// x [outer, length, inner] to y [outer, inner], outer indices [begin, end); length > 0. Sums are made of partial
  /// sums of 64 elements, so that the rounding error of long axes stays small.
  void (*reduce)(Reduction kind, const float* x, int64_t length, int64_t inner, float* y, int64_t begin, int64_t end);
  /// y = (x - mean) / sqrt(variance + epsilon) * scale + bias over rows of `length`; bias may be null. Rows [begin,
  /// end); y may be x.
  void (*layer_norm)(const float* x, int64_t length, float epsilon, const float* scale, const float* bias, float* y,
                     int64_t begin, int64_t end);
};

const ReduceKernels& reduce_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
