#pragma once
#include "kernels/conv.hpp"

/// 3x3 convolution of stride 1 in f32 with fewer multiplications: F(2x2, 3x3) and F(4x4, 3x3) of Lavin and Gray, "Fast
/// Algorithms for Convolutional Neural Networks", 2015, at the points 0, 1, -1 and (4x4) 2, -2. Layouts as in conv.hpp.
/// The output is cut into tiles; a chunk of tiles is transformed, multiplied position by position with the transformed
/// weights, and transformed back with the epilogue. A dilated convolution is one of interleaved images. Kernels never
/// allocate, throw or lock; disjoint ranges of one step may run at the same time.
namespace hone::kernels {

struct WinogradShape {
  ConvShape conv;  ///< 3x3, stride 1, one group, dilation_h == dilation_w
  int tile = 4;    ///< 2 or 4: output rows and columns of a tile

  int positions() const { return (tile + 2) * (tile + 2); }
  int64_t tiles_of(int64_t extent) const {
    const int64_t lines = (extent + conv.dilation_h - 1) / conv.dilation_h;
    return (lines + tile - 1) / tile;
  }
  int64_t tiles() const {
    return conv.batch * conv.dilation_h * conv.dilation_h * tiles_of(conv.out_height) * tiles_of(conv.out_width);
  }
};

/// Tiles [first, first + count) in work; `source` and `product` are the transformed inputs and outputs, 64-byte
/// aligned, of source_bytes() and product_bytes().
struct WinogradChunk {
  int64_t first = 0, count = 0;
  void* source = nullptr;
  void* product = nullptr;
};

/// What does not depend on the types of inputs and weights; step 1 transforms inputs.
struct WinogradSteps {
  size_t (*packed_bytes)(const WinogradShape& shape);
  int64_t (*blocks)(const WinogradShape& shape);  ///< of output channels
  size_t (*source_bytes)(const WinogradShape& shape, int64_t count);
  size_t (*product_bytes)(const WinogradShape& shape, int64_t count);
  /// Step 2: units [begin, end) of positions() * blocks().
  void (*multiply)(const WinogradShape& shape, const void* packed, const WinogradChunk& chunk, int64_t begin,
                   int64_t end);
  /// Step 3: outputs of the chunk's tiles [begin, end).
  void (*finish)(const WinogradShape& shape, const WinogradChunk& chunk, const Epilogue& epilogue, void* y,
                 int64_t begin, int64_t end);
};

struct WinogradKernels : WinogradSteps {
  /// The first output channel of a block; all channels for the block behind the last.
  int64_t (*first_channel)(const WinogradShape& shape, int64_t block);
  /// Transforms the weights [out_channels][channels][3][3] of blocks [begin, end), reading these; `packed` is 64-byte
  /// aligned.
  void (*pack)(const WinogradShape& shape, const float* w, void* packed, int64_t begin, int64_t end);
  /// Step 1: inputs of the chunk's tiles [begin, end), counted from its first.
  void (*transform)(const WinogradShape& shape, const float* x, const void* packed, const WinogradChunk& chunk,
                    int64_t begin, int64_t end);
};

/// nullptr where this instruction set has no such kernels.
const WinogradKernels* winograd_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
