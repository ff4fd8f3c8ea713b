#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "devices/cpu/kernel.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/window.hpp"
#include "kernels/conv.hpp"

/// What our convolution kernels read from a node.
namespace hone::cpu {

/// The Conv of a channels-last Fused node with constant weights, or nullptr and why not.
const ops::Conv* plain_conv(const Node& node, std::string& refusal);
kernels::ConvShape conv_shape(const Node& node, const ops::Conv& conv);
/// The sizes of a layer in words, for Kernel::signature().
std::string conv_signature(const kernels::ConvShape& shape, DType type);

/// f32 weights for who packs them by blocks of output channels, the first dimension. What lies in a file is read from
/// there in long pieces, by each thread into its own memory: walking over filters in mapped pages took twice as long.
class WeightRows {
 public:
  /// `most`: output channels of the largest block.
  WeightRows(const Tensor& weights, int64_t most, int threads);
  /// The start of the tensor for a reader of the channels [begin, end), which must not read others; until the thread
  /// calls again.
  const float* base(int64_t begin, int64_t end, int thread);

 private:
  const Tensor& weights_;
  size_t row_ = 0;             // bytes
  std::vector<Tensor> parts_;  // of the threads; none where the tensor can be read as it lies
};

/// The most output channels of a block, where block i begins with channel first(i).
template <class First>
int64_t largest_block(int64_t blocks, First first) {
  int64_t most = 0;
  for (int64_t i = 0; i < blocks; ++i) most = std::max<int64_t>(most, first(i + 1) - first(i));
  return most;
}

inline double conv_operations(const kernels::ConvShape& s) {
  return 2.0 * static_cast<double>(s.pixels() * s.out_channels * s.group_channels() * s.taps());
}
/// How many taps of a window a tile of neighboring pixels meets within the image, in the mean: tiles skip the others,
/// which are many where the windows are wide (dilation) and the image is small.
double taps_within(const kernels::ConvShape& shape);
/// GOP/s of one thread that estimates reckon with.
double float_rate();
double integer_rate();

/// Fills the fields that convolution and depthwise shapes share.
template <class Shape>
void fill_window(const Node& node, const ops::Conv& conv, Shape& shape) {
  Dims x = dims_of(node.input(0)), w = dims_of(node.input(1)), y = dims_of(node.output());
  ops::Window window = ops::resolve_window(node.place(), ops::window_attributes(conv), {x[1], x[2]}, {w[2], w[3]});
  shape.height = x[1], shape.width = x[2], shape.channels = x[3];
  shape.out_height = y[1], shape.out_width = y[2];
  shape.kernel_h = static_cast<int>(w[2]), shape.kernel_w = static_cast<int>(w[3]);
  shape.stride_h = static_cast<int>(window.strides[0]), shape.stride_w = static_cast<int>(window.strides[1]);
  shape.dilation_h = static_cast<int>(window.dilations[0]), shape.dilation_w = static_cast<int>(window.dilations[1]);
  shape.pad_top = static_cast<int>(window.pads_begin[0]), shape.pad_left = static_cast<int>(window.pads_begin[1]);
}

}  // namespace hone::cpu
