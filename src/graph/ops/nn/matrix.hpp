#pragma once
#include <algorithm>

#include <fmt/format.h>

#include "graph/op.hpp"
#include "graph/ops/elementwise.hpp"
#include "graph/ops/nn/multiply.hpp"
#include "graph/ops/shape/sizes.hpp"

/// What matrix products share.
namespace hone::ops {

/// The sizes of numpy.matmul: a batch of [m, k] times [k, n].
struct MatMulSizes {
  Dims batch, batch_a, batch_b;  ///< of the result and of the operands
  Dims result;                   ///< all sizes of the result, without the rows or columns that rank-1 operands lent
  int64_t m = 1, k = 1, n = 1;
};
MatMulSizes matmul_sizes(const EvalContext& context, const Dims& a, const Dims& b);
/// The shape rule: output 0 of `dtype` for operands at inputs a and b.
void infer_matmul(InferContext& context, size_t a, size_t b, DType dtype);

/// c = a b; c has sizes.result.
template <class T>
void batched_matmul(const MatMulSizes& sizes, const T* a, const T* b, T* c) {
  int64_t size_a = sizes.m * sizes.k, size_b = sizes.k * sizes.n, size_c = sizes.m * sizes.n;
  std::fill(c, c + element_count(sizes.result), T(0));
  for_each_broadcast(sizes.batch, sizes.batch_a, sizes.batch_b, [&](int64_t i, int64_t at_a, int64_t at_b) {
    multiply_add(a + at_a * size_a, b + at_b * size_b, c + i * size_c, sizes.m, sizes.k, sizes.n, sizes.n);
  });
}

}  // namespace hone::ops
