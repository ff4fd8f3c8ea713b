#pragma once
#include <vector>

#include "kernels/elementwise.hpp"

/// From decoded images (u8, channels last) to network input: optional bilinear resize, then v * scale[c] + shift[c] per
/// channel, to f32 or quantized, channels last.
namespace hone::kernels {

/// What the preprocessing of one image size is. Sizes in pixels.
struct ImageSpec {
  int64_t height = 0, width = 0;          ///< source
  int channels = 3;                       ///< source, 1 to 4
  int64_t out_height = 0, out_width = 0;  ///< the same as the source: no resize
  /// Resize as ONNX Resize-19, mode linear, half_pixel, antialias as given, in f32 without rounding in between.
  bool antialias = false;
  int out_channels = 3;                   ///< 1 to 4; those beyond the source's are filled with 0 before quantization
  int source_channel[4] = {0, 1, 2, 3};   ///< of each output channel: {2, 1, 0} swaps red and blue
  float scale[4] = {1, 1, 1, 1};          ///< per output channel
  float shift[4] = {0, 0, 0, 0};
  Target target;
};

/// The filter of one axis: output i = sum over k < taps of weights[i * taps + k] * input[index[i * taps + k]].
struct ResizeAxis {
  int taps = 0;
  std::vector<int32_t> index;  ///< held inside of the input
  std::vector<float> weights;
};
ResizeAxis make_resize_axis(int64_t in, int64_t out, bool antialias);

/// A spec with what is computed once: make it when planning; running it does not allocate. Immutable.
struct ImagePlan {
  explicit ImagePlan(const ImageSpec& spec);
  ImageSpec spec;
  bool resize = false;
  ResizeAxis rows, columns;
  size_t scratch_floats = 0;  ///< that every concurrent call of `run` needs
  /// Output rows [begin, end) of one image. `x`: rows of `row_bytes` bytes (0: dense). `y`: the image's output.
  /// Never allocates, throws or locks.
  void run(const uint8_t* x, int64_t row_bytes, void* y, float* scratch, int64_t begin, int64_t end,
           Isa isa = best_isa()) const;
};

}  // namespace hone::kernels
