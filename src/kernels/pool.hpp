#pragma once
#include "kernels/elementwise.hpp"

/// Pooling over channels-last data [N, height, width, channels], and softmax. Kernels work on a range and never
/// allocate, throw or lock; input and output may not overlap (softmax may work in place).
namespace hone::kernels {

struct PoolShape {
  int64_t height = 0, width = 0, channels = 0;  ///< input
  int64_t out_height = 0, out_width = 0;
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  /// Average: whether padding counts in the divisor (as zeros). What a rounded-up output size adds beyond the padding
  /// never counts.
  bool count_include_pad = false;
  int64_t out_row = 0;  ///< elements between pixels of y where it is a part of a larger tensor's channels; 0: dense

  int64_t y_row() const { return out_row > 0 ? out_row : channels; }
};

struct PoolKernels {
  /// Output rows [begin, end) of N * out_height; x and y of the same type (f32, u8 or i8), scale and zero point.
  /// A window without any input gives the type's lowest value.
  void (*max)(const PoolShape& shape, DType type, const void* x, void* y, int64_t begin, int64_t end);
  /// Likewise, from any type to any type. A window without any input gives 0.
  void (*average)(const PoolShape& shape, const Operand& x, const Target& target, void* y, int64_t begin, int64_t end);
  /// Mean over all pixels of an image: y [N, channels]. Units [begin, end) of N * global_units(channels).
  void (*global_average)(int64_t pixels, int64_t channels, const Operand& x, const Target& target, void* y,
                         int64_t begin, int64_t end);
  /// Softmax over the last axis (`length` elements), or its logarithm. Relative error below 1e-6 plus the rounding of
  /// x - max, 1e-7 |x - max|.
  void (*softmax)(const float* x, float* y, int64_t length, bool logarithm, int64_t row_begin, int64_t row_end);
};

/// Channels are pooled globally in units of 64.
constexpr int64_t kGlobalUnit = 64;
constexpr int64_t global_units(int64_t channels) { return (channels + kGlobalUnit - 1) / kGlobalUnit; }

const PoolKernels& pool_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
