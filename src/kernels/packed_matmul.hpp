#pragma once
#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

/// y [rows, channels] = x [rows, depth] (f32) * w [channels, depth]^T on weights of 8 or 4 bits with a scale and a zero
/// point for each group of neighbors along depth. They are read as they are packed, an eighth to a quarter of f32's
/// bytes, and become floats in registers; with many rows, once for all rows in scratch memory. Kernels never allocate,
/// throw or lock.
namespace hone::kernels {

struct PackedMatMulShape {
  int64_t rows = 0, depth = 0, channels = 0;
  int64_t group = 0;  ///< positions that share a scale; depth: one for a channel
  int bits = 8;
  bool zeros = false;  ///< some zero point is not 0
  int64_t groups() const { return (depth + group - 1) / group; }
};

struct PackedMatMulKernels {
  int64_t (*units)(const PackedMatMulShape& shape);  ///< channels are worked on in units
  size_t (*packed_bytes)(const PackedMatMulShape& shape);
  /// Unit `unit`. w [channels, depth]: i8, or u8 below 16 for 4 bits; scale and zero [channels, groups]; zero is in the
  /// terms of w. `packed` is for this instruction set, 64-byte aligned.
  void (*pack)(const PackedMatMulShape& shape, const int8_t* w, const float* scale, const float* zero, void* packed,
               int64_t unit);
  size_t (*scratch_floats)(const PackedMatMulShape& shape);  ///< of one thread
  /// Units [begin, end); disjoint ranges may run at the same time, each with its own scratch.
  void (*run)(const PackedMatMulShape& shape, const float* x, const void* packed, const Epilogue& epilogue, void* y,
              int64_t begin, int64_t end, float* scratch);
};

const PackedMatMulKernels& packed_matmul_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
