#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// Weighted sums of f32 elements at computed places: grid sampling and deformable convolution. Kernels never allocate,
/// throw or lock.
namespace hone::kernels {

/// For each of `points` places `taps` elements of a plane and their weights, as tables [taps][stride].
struct SampleTaps {
  const int32_t* index = nullptr;
  const float* weight = nullptr;
  int64_t taps = 0, points = 0;
  int64_t stride = 0;
};

struct SampleKernels {
  /// y[plane * y_plane + p] = sum over t of weight[t, p] * x[plane * x_plane + index[t, p]] for `planes` planes.
  void (*run)(const SampleTaps& taps, const float* x, int64_t x_plane, int64_t planes, float* y, int64_t y_plane);
};

const SampleKernels& sample_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
