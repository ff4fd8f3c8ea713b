#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// Normalizations of f32 besides layer normalization: softmax over an inner axis, groups and instances of channels,
/// local response. Kernels work on a range and never allocate, throw or lock; y may be x except for local response.
namespace hone::kernels {

struct NormalizeKernels {
  /// Softmax, or its logarithm, over the middle axis of [outer, length, inner]. Units [begin, end) of
  /// outer * column_units(inner).
  void (*softmax_columns)(const float* x, float* y, int64_t length, int64_t inner, bool logarithm, int64_t begin,
                          int64_t end);
  /// x [N, groups, channels, plane] normalized over the last two axes, times scale plus bias of each channel, which are
  /// vectors of groups * channels. Units [begin, end) of N * groups.
  void (*group_norm)(const float* x, int64_t groups, int64_t channels, int64_t plane, float epsilon, const float* scale,
                     const float* bias, float* y, int64_t begin, int64_t end);
  /// x [N, pixels, channels] normalized over the pixels. Units [begin, end) of N * column_units(channels).
  void (*instance_norm)(const float* x, int64_t pixels, int64_t channels, float epsilon, const float* scale,
                        const float* bias, float* y, int64_t begin, int64_t end);
  /// y = x / (bias + factor * sum of x^2 over the channels c - before ... c + after) ^ beta over rows of `channels`.
  /// Rows [begin, end).
  void (*local_response)(const float* x, int64_t channels, int64_t before, int64_t after, float bias, float factor,
                         float beta, float* y, int64_t begin, int64_t end);
};

/// Columns are worked on in units of 64.
constexpr int64_t kColumnUnit = 64;
constexpr int64_t column_units(int64_t columns) { return (columns + kColumnUnit - 1) / kColumnUnit; }

const NormalizeKernels& normalize_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
