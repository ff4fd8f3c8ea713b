#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// Quantization of a tensor by its own range, as DynamicQuantizeLinear does it. Kernels never allocate, throw or lock.
namespace hone::kernels {

struct DynamicKernels {
  /// Smallest and largest of x[begin, end) and 0. NaN is passed over.
  void (*range)(const float* x, int64_t begin, int64_t end, float* low, float* high);
  /// y = saturate(round_to_even(x / scale) + zero) for elements [begin, end); NaN becomes zero.
  void (*quantize)(const float* x, float scale, int zero, uint8_t* y, int64_t begin, int64_t end);
};

const DynamicKernels& dynamic_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
