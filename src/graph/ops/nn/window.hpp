#pragma once
#include <optional>
#include <string>
#include <vector>

#include "graph/op.hpp"

namespace hone::ops {

/// The window of a convolution or pool with every default filled in; each list has one entry a spatial dimension.
struct Window {
  Dims kernel, strides, dilations, pads_begin, pads_end;
  bool ceil_mode = false;

  size_t rank() const { return kernel.size(); }
  /// Input elements that the kernel spans on `axis`: (kernel - 1) * dilation + 1.
  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  bool padded() const;     ///< some pad is not 0
  bool is_dense() const;   ///< every stride and dilation is 1
  bool pointwise() const;  ///< kernel 1, stride 1, no pads: a matrix product per pixel
};

/// What ops say about their window, with the ONNX names; empty lists are defaults.
struct WindowAttributes {
  const std::string& auto_pad;
  const std::vector<int64_t>& kernel_shape;
  const std::vector<int64_t>& strides;
  const std::vector<int64_t>& dilations;
  const std::vector<int64_t>& pads;
  bool ceil_mode = false;
};

/// The attributes of a Conv, MaxPool, AveragePool, QLinearConv ... as WindowAttributes (refers to `op`).
template <class WindowOp>
WindowAttributes window_attributes(const WindowOp& op) {
  bool ceil_mode = false;
  if constexpr (requires { op.ceil_mode; }) ceil_mode = op.ceil_mode != 0;
  return {op.auto_pad, op.kernel_shape, op.strides, op.dilations, op.pads, ceil_mode};
}

/// Resolves defaults and auto_pad for these spatial input sizes (-1: not known; with SAME_* the pads of such an axis
/// are 0). `kernel` gives the sizes when kernel_shape is empty. Throws Error(place, ...) on values no window can have.
Window resolve_window(const std::string& place, const WindowAttributes& attributes, const Dims& spatial,
                      const Dims& kernel = {});
/// Output size on one axis as ONNX defines it; 0 when the padded input is smaller than the kernel.
int64_t output_size(const Window& window, size_t axis, int64_t input);
/// Output sizes of Conv or a pool for an input shape [N, C, spatial...]; unknown sizes stay unknown. SAME_* pads give
/// ceil(input / stride). Throws Error when a known input is too small for the window.
std::vector<Dim> output_spatial(const std::string& place, const WindowAttributes& attributes, const Shape& input,
                                const Dims& kernel = {});

}  // namespace hone::ops
