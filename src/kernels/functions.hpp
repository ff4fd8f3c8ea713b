#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// Functions of f32 elements that activations are not made of. Kernels work on a range and never allocate, throw or
/// lock; y may be x. Relative error below 3e-7 for erf and log, absolute error below 2e-7 for sine and cosine.
namespace hone::kernels {

enum class Function : uint8_t { erf, log, sin, cos };

struct FunctionKernels {
  void (*run)(Function function, const float* x, float* y, int64_t begin, int64_t end);
};

const FunctionKernels& function_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
