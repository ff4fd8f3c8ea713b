#pragma once
#include "kernels/elementwise.hpp"

/// Resampling of images: [outer, height, width, channels] to [outer, out_height, out_width, channels], each axis by a
/// table of taps. Channels-last data have outer = batch; channels-first data have outer = batch * channels and one
/// channel. Kernels work on a range of output rows, counted over outer * out_height, and never allocate, throw or lock.
namespace hone::kernels {

/// Output position i is the sum over t of weight[i, t] * input[index[i, t]]; indices lie inside of the axis.
struct ResizeTaps {
  int taps = 1;
  const int32_t* index = nullptr;
  const float* weight = nullptr;
};

struct ResizeJob {
  int64_t height = 0, width = 0, channels = 0;
  int64_t out_height = 0, out_width = 0;
  ResizeTaps rows;     ///< tables [out_height][taps]
  ResizeTaps columns;  ///< tables [taps][out_width]
  Operand x;
  Target target;
};

/// True when each input row is brought to the output's width once, as it then serves several output rows.
inline bool stretches_rows(const ResizeJob& job) {
  return job.channels == 1 && job.rows.taps == 2 && job.out_height > job.height;
}
inline int64_t smooth_scratch(const ResizeJob& job) {
  return job.width * job.channels + 16 + (stretches_rows(job) ? 2 * (job.out_width + 16) : 0);
}

struct ResizeKernels {
  /// Weighted sums of real values. `scratch`: smooth_scratch() floats.
  void (*smooth)(const ResizeJob& job, void* y, float* scratch, int64_t begin, int64_t end);
  /// One tap an axis: elements of 1, 2, 4 or 8 bytes are copied; weights and types are not looked at.
  void (*nearest)(const ResizeJob& job, int element_bytes, void* y, int64_t begin, int64_t end);
};

const ResizeKernels& resize_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
