#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/isa.hpp"

/// Products of f32 matrices that are made while running: batched MatMul and attention. Kernels never allocate, throw or
/// lock.
namespace hone::kernels {

/// A matrix by its strides in elements: element [r, c] is data[r * row + c * column].
struct MatrixView {
  const float* data = nullptr;
  int64_t row = 0, column = 1;
};

struct MatMulShape {
  int64_t rows = 0, depth = 0, columns = 0;
  int64_t a_row = 0;  ///< elements between rows of a, whose columns are neighbors
  int64_t y_row = 0;
};

/// softmax(q k^T * scale + mask) v for one head: q [queries, depth], k [keys, depth], v [keys, value_depth], y
/// [queries, value_depth], rows of each the given number of elements apart.
struct AttentionShape {
  int64_t queries = 0, keys = 0, depth = 0, value_depth = 0;
  int64_t q_row = 0, k_row = 0, v_row = 0, y_row = 0;
  float scale = 1;
};

struct MatMulKernels {
  /// Floats of packed b.
  size_t (*packed_floats)(int64_t depth, int64_t columns);
  /// b is [depth, columns]. `packed` is for this instruction set, 64-byte aligned.
  void (*pack)(const MatrixView& b, int64_t depth, int64_t columns, float* packed);
  /// y = alpha * a b for rows [begin, end).
  void (*run)(const MatMulShape& shape, const float* a, const float* packed, float alpha, float* y, int64_t begin,
              int64_t end);
  /// Floats of scratch for attention().
  size_t (*attention_floats)(const AttentionShape& shape);
  /// One head. `mask`: null, or [queries, keys] with rows `mask_row` elements apart, which is added before the softmax.
  void (*attention)(const AttentionShape& shape, const float* q, const float* k, const float* v, const float* mask,
                    int64_t mask_row, float* y, float* scratch);
};

const MatMulKernels& matmul_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
