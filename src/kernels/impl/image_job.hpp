#pragma once
#include "kernels/elementwise.hpp"

/// ImageSpec and ImagePlan as plain data: what the units of an instruction set may include.
namespace hone::kernels {

struct AxisView {
  int taps;
  const int32_t* index;
  const float* weights;
};

struct ImageJob {
  int64_t height, width;
  int channels;
  int64_t out_height, out_width;
  int out_channels;
  int source_channel[4];
  float scale[4], shift[4];
  Target target;
  AxisView rows, columns;
};

struct ImageKernels {
  /// Output rows [begin, end) without resize.
  void (*affine)(const ImageJob& job, const uint8_t* x, int64_t row_bytes, void* y, int64_t begin, int64_t end);
  /// With resize; `scratch` holds a source row as f32, and four more.
  void (*resize)(const ImageJob& job, const uint8_t* x, int64_t row_bytes, void* y, float* scratch, int64_t begin,
                 int64_t end);
};

}  // namespace hone::kernels
