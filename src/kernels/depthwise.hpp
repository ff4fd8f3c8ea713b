#pragma once
#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

/// Depthwise convolution (one filter a channel), channels last: x [N, height, width, channels],
/// y [N, out_height, out_width, channels], both dense. Kernels work on a range of output rows, counted over
/// N * out_height: disjoint ranges may run at the same time. They never allocate, throw or lock.
namespace hone::kernels {

struct DepthwiseShape {
  int64_t height = 0, width = 0, channels = 0;  ///< input
  int64_t out_height = 0, out_width = 0;        ///< output; padding below and to the right follows from it
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;
};

struct DepthwiseF32Kernels {
  /// Rows [begin, end). `w` as depthwise_pack_f32 makes it. `y` may not overlap `x`; it may be the residual.
  void (*run)(const DepthwiseShape& shape, const float* x, const float* w, const Epilogue& epilogue, void* y,
              int64_t begin, int64_t end);
};

/// Input u8 or i8 with a zero point, weights i8 without. The accumulator that the epilogue gets is exactly
/// start[c] + sum((x - x_zero) * w) in 32 bits: padding counts as x_zero, and the packed weights carry the correction
/// -x_zero * sum(w), so that the bias needs none.
struct DepthwiseInt8Kernels {
  size_t (*packed_bytes)(const DepthwiseShape& shape);
  /// `w` is [channels][kernel_h][kernel_w], `start` Epilogue::start or nullptr. The result is for this instruction set
  /// and this x_type and x_zero only.
  void (*pack)(const DepthwiseShape& shape, const int8_t* w, DType x_type, int x_zero, const int32_t* start,
               void* packed);
  void (*run)(const DepthwiseShape& shape, const void* x, DType x_type, int x_zero, const void* packed,
              const Epilogue& epilogue, void* y, int64_t begin, int64_t end);
};

/// From [channels][kernel_h][kernel_w] to [kernel_h][kernel_w][channels], which all instruction sets read.
void depthwise_pack_f32(const DepthwiseShape& shape, const float* w, float* packed);

/// The kernels of this process's best instruction set, or of a given one that is available.
const DepthwiseF32Kernels& depthwise_f32_kernels(Isa isa = best_isa());
const DepthwiseInt8Kernels& depthwise_int8_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
