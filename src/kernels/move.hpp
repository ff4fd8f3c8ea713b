#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// Moving elements: transposes, slices, broadcasts. Kernels work on a range and never allocate, throw or lock.
namespace hone::kernels {

/// y [dims...] dense, y[i...] = x[sum of i * stride]. Strides are in elements and may be 0 (broadcast) or negative.
struct MoveJob {
  static constexpr int kAxes = 8;
  int axes = 0;
  int64_t dims[kAxes] = {};
  int64_t stride[kAxes] = {};
  int element_bytes = 4;  ///< 1, 2, 4 or 8

  int64_t count() const {
    int64_t result = 1;
    for (int i = 0; i < axes; ++i) result *= dims[i];
    return result;
  }
  /// What a run's range counts: all axes but the last two, or but the last.
  int64_t units() const;
  bool transposes() const;  ///< the last two axes are done together, in blocks
};

/// Merges axes that lie behind each other in x and y, drops axes of size 1, and puts an axis that is dense in x next to
/// the last where that lets blocks be transposed. Of the last two axes at least one exists afterwards.
MoveJob simplified(const MoveJob& job);

struct MoveKernels {
  /// Units [begin, end) of job.units().
  void (*move)(const MoveJob& job, const void* x, void* y, int64_t begin, int64_t end);
};

const MoveKernels& move_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
