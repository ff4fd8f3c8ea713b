#pragma once
#include "kernels/winograd.hpp"

/// 3x3 convolution of stride 1 of 8-bit integers as F(4x4, 3x3), in whole numbers and exact: a quarter of the
/// multiplications, in 16 bits. The fractions of the transformation of the weights are left out; what comes out is 576
/// times the sum, in 32 bits that wrap around. 576 = 9 * 64: times the inverse of 9 modulo 2^32, and shifted, that is
/// the sum itself wherever it lies within [-2^25, 2^25), which the caller makes sure of. Steps, chunks and layouts as
/// in winograd.hpp; WinogradShape::tile is 4.
namespace hone::kernels {

inline constexpr int64_t winograd_int8_limit = int64_t{1} << 25;

struct WinogradInt8Kernels : WinogradSteps {
  /// Transforms the weights [out_channels][channels][3][3] of blocks [begin, end); `packed` is 64-byte aligned.
  void (*pack)(const WinogradShape& shape, const int8_t* w, int x_zero, void* packed, int64_t begin, int64_t end);
  /// Step 1: inputs of the chunk's tiles [begin, end), counted from its first. x is u8 or i8.
  void (*transform)(const WinogradShape& shape, const void* x, DType x_type, int x_zero, const void* packed,
                    const WinogradChunk& chunk, int64_t begin, int64_t end);
};

/// nullptr where this instruction set has no such kernels.
const WinogradInt8Kernels* winograd_int8_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
