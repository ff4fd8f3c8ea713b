#pragma once
#include <array>

#include "graph/op.hpp"
#include "graph/ops/nn/window.hpp"

/// What Conv, ConvTranspose, ConvInteger and QLinearConv share.
namespace hone::ops {

/// The shape rule of a convolution: x and w are inputs x_index and w_index; bias_index is the optional bias.
/// Output 0 is [N, M, spatial...] of `dtype`.
void infer_conv(InferContext& context, const WindowAttributes& attributes, int64_t group, size_t x_index,
                size_t w_index, size_t bias_index, DType dtype);

/// A convolution on concrete sizes with its spatial dimensions filled up to three by leading ones.
struct ConvGeometry {
  int64_t batch = 0, groups = 1;
  int64_t in_channels = 0, out_channels = 0;  ///< of one group
  std::array<int64_t, 3> input{1, 1, 1}, output{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1},
      pad{0, 0, 0};  ///< pad: at the begin

  int64_t input_plane() const { return input[0] * input[1] * input[2]; }
  int64_t output_plane() const { return output[0] * output[1] * output[2]; }
  int64_t kernel_volume() const { return kernel[0] * kernel[1] * kernel[2]; }
};

/// Copies sizes of 1 to 3 spatial dimensions to the end of a triple.
std::array<int64_t, 3> triple(const Dims& spatial, int64_t fill);
/// Sizes of a convolution of x by w [M, C / group, kernel...]; fails when they do not fit. `dims` gets the output
/// sizes.
ConvGeometry conv_geometry(const EvalContext& context, const WindowAttributes& attributes, int64_t group, const Dims& x,
                           const Dims& w, Dims& dims);

/// y [N, M, spatial...] = conv(x, w) + bias; bias may be nullptr. Unfolds the input and multiplies matrices. T: float,
/// double, or uint32_t for integers (modulo 2^32, which is two's complement arithmetic of int32).
template <class T>
void unfolded_conv(const ConvGeometry& geometry, const T* x, const T* w, const T* bias, T* y);

/// Output positions o in [first, last) for which o * stride + shift is inside [0, size).
struct Span {
  int64_t first, last;
};
Span valid_span(int64_t shift, int64_t stride, int64_t size, int64_t count);

}  // namespace hone::ops
