#pragma once
#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

/// y[rows, channels] = x[rows, depth] * w[channels, depth]^T for a few rows, on weights as they are in the model:
/// nothing is packed, every weight is read once. f32.
namespace hone::kernels {

struct GemvShape {
  int64_t rows = 1;  ///< at most gemv_max_rows
  int64_t depth = 0, channels = 0;
};

inline constexpr int64_t gemv_max_rows = 4;
/// Channels of a unit of work.
inline constexpr int64_t gemv_unit = 16;

struct GemvKernels {
  /// Units [begin, end) of (channels + gemv_unit - 1) / gemv_unit. Disjoint ranges may run at the same time.
  void (*run)(const GemvShape& shape, const float* x, const float* w, const Epilogue& epilogue, void* y, int64_t begin,
              int64_t end);
};

const GemvKernels& gemv_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
