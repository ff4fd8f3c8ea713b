#pragma once
#include <string>
#include <vector>

#include "graph/ops/nn/resize.hpp"

/// Resize taken apart into one table an axis; kernels use the same tables.
namespace hone::ops {

/// How one axis is resampled: its output size, the factor as ONNX computes it and the part of the input (roi).
struct ResizeAxis {
  int64_t input = 0, output = 0;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;
  bool identity = true;  ///< output i is input i
};

/// The inputs of a Resize node as far as they are there; empty where absent.
struct ResizeInputs {
  std::vector<double> roi;
  std::vector<float> scales;
  std::vector<int64_t> sizes;
};

/// What `scale` makes of an axis of `input` elements. Throws Error(place, ...) on scales that make no sense.
int64_t scaled_size(const std::string& place, int64_t input, float scale);
/// Axes of x in order. Throws Error(place, ...) when attributes or inputs do not fit x.
std::vector<ResizeAxis> resize_axes(const std::string& place, const Resize& op, const Dims& x,
                                    const ResizeInputs& inputs);
/// Throws Error(place, ...) on unknown modes.
void check_resize_modes(const std::string& place, const Resize& op);

/// For each output position `taps` input positions (inside the axis) and their weights.
struct ResizeTable {
  int64_t taps = 1;
  std::vector<int64_t> index;   ///< [output * taps]
  std::vector<double> weight;   ///< [output * taps], sum 1 for each output
  std::vector<char> outside;    ///< [output] 1: takes extrapolation_value (tf_crop_and_resize)
};
/// The formulas of the ONNX operator and its reference implementation, in double.
ResizeTable resize_table(const Resize& op, const ResizeAxis& axis);

}  // namespace hone::ops
