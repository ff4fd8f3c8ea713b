#pragma once
#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

/// Convolution as an implicit matrix product, channels last: x [batch, height, width, channels], y [batch, out_height,
/// out_width, out_channels], both dense but for ConvShape::out_row. Output pixels are counted over the batch; kernels
/// work on a range of pixels and a range of output-channel blocks, and disjoint ranges may run at the same time. They
/// never allocate, throw or lock. Method: register tiles of pixels x channels over an indirection of input pointers
/// (Dukhan, "The Indirect Convolution Algorithm", 2019), here with the pointers made per tile.
namespace hone::kernels {

struct ConvShape {
  int64_t batch = 1, height = 0, width = 0, channels = 0;         ///< input, all groups
  int64_t out_height = 0, out_width = 0, out_channels = 0;        ///< output, all groups
  int groups = 1;
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;
  /// Elements between pixels of y where it is a part of a larger tensor's channels; 0: dense. No residual then.
  int64_t out_row = 0;

  int64_t pixels() const { return batch * out_height * out_width; }
  int64_t group_channels() const { return channels / groups; }
  int64_t group_out_channels() const { return out_channels / groups; }
  int64_t y_row() const { return out_row > 0 ? out_row : out_channels; }
  int64_t taps() const { return static_cast<int64_t>(kernel_h) * kernel_w; }
};

/// The largest kernel_h * kernel_w that these kernels take.
inline constexpr int64_t conv_max_taps = 121;

/// What a run() works on.
struct ConvRange {
  int64_t pixel_begin, pixel_end;
  int64_t block_begin, block_end;
  const void* ahead = nullptr;  ///< what the thread reads next, the weights of the next layer, or nothing
  int64_t ahead_bytes = 0;
};

struct ConvF32Kernels {
  int64_t (*blocks)(const ConvShape& shape);  ///< output-channel blocks, over all groups
  /// The first output channel of a block; all channels for the block behind the last.
  int64_t (*first_channel)(const ConvShape& shape, int64_t block);
  size_t (*packed_bytes)(const ConvShape& shape);
  /// Blocks [begin, end) of `w` [out_channels][group_channels][kernel_h][kernel_w], of which the channels of these
  /// blocks are read. `packed` is for this instruction set, 64-byte aligned.
  void (*pack)(const ConvShape& shape, const float* w, void* packed, int64_t begin, int64_t end);
  void (*run)(const ConvShape& shape, const float* x, const void* packed, const Epilogue& epilogue, void* y,
              const ConvRange& range);
};

/// x is u8 or i8 with a zero point, weights i8 without; group_channels must be a multiple of 4. The accumulator that
/// the epilogue gets is exactly start[c] + sum((x - x_zero) * w): the packed weights carry the correction. Padding
/// counts as x_zero.
struct ConvInt8Kernels {
  int64_t (*blocks)(const ConvShape& shape);
  size_t (*packed_bytes)(const ConvShape& shape);
  /// `start`: Epilogue::start, or nullptr.
  void (*pack)(const ConvShape& shape, const int8_t* w, DType x_type, int x_zero, const int32_t* start, void* packed,
               int64_t begin, int64_t end);
  void (*run)(const ConvShape& shape, const void* x, DType x_type, const void* packed, const Epilogue& epilogue,
              void* y, const ConvRange& range);
};

/// nullptr where this instruction set has no such kernels.
const ConvF32Kernels* conv_f32_kernels(Isa isa = best_isa());
const ConvInt8Kernels* conv_int8_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
