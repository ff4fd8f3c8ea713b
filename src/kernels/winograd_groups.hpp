#pragma once
#include "kernels/winograd.hpp"

/// winograd_int8.hpp for layers with many tiles and channels. Input channels go in groups: the sums of a group must lie
/// within [-2^25, 2^25), those of all groups in 32 bits, and the matrices of a group stay in the second-level cache.
/// A group's weights are transformed while running, which costs little where they serve many tiles: what is stored is
/// as large as the plain weights. Kernels never allocate, throw or lock; disjoint ranges of one step may run at the
/// same time.
namespace hone::kernels {

/// Input channels [first, first + count); first is a multiple of 32.
struct WinogradGroup {
  int64_t first = 0, count = 0;
};

/// The chunk's `source` has the inputs of one group of up to `channels`, its `product` the sums of the groups so far.
struct WinogradGroupsKernels {
  size_t (*packed_bytes)(const ConvShape& shape);
  int64_t (*blocks)(const ConvShape& shape);  ///< of output channels
  size_t (*source_bytes)(int64_t tiles, int64_t channels);
  size_t (*product_bytes)(const ConvShape& shape, int64_t tiles);
  size_t (*work_bytes)(int64_t tiles, int64_t channels);  ///< that a thread needs for step 2
  /// Arranges the weights [out_channels][channels][3][3] of blocks [begin, end); `packed` is 64-byte aligned.
  void (*pack)(const ConvShape& shape, const int8_t* w, int x_zero, void* packed, int64_t begin, int64_t end);
  /// Step 1: inputs of the group and of the chunk's tiles [begin, end), counted from its first. x is u8 or i8.
  void (*transform)(const WinogradShape& shape, const void* x, DType x_type, int x_zero, const void* packed,
                    const WinogradChunk& chunk, const WinogradGroup& group, int64_t begin, int64_t end);
  /// Step 2: a block's weights, products, and sums, which are added to those there are unless the group is the first.
  void (*multiply)(const ConvShape& shape, const void* packed, const WinogradChunk& chunk, const WinogradGroup& group,
                   int64_t block, void* work);
  /// Step 3, after all groups: outputs of the chunk's tiles [begin, end).
  void (*finish)(const WinogradShape& shape, const WinogradChunk& chunk, const Epilogue& epilogue, void* y,
                 int64_t begin, int64_t end);
};

/// nullptr where this instruction set has no such kernels.
const WinogradGroupsKernels* winograd_groups_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
