#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = conv(x, w) + b for 1 to 3 spatial dims.
/// Inputs: x [N, C, spatial...], w [M, C / group, kernel...], b [M] (optional).
/// Empty lists mean the ONNX defaults (stride 1, dilation 1, no padding, kernel sizes from w).
struct Conv : OpOf<Conv> {
  std::string auto_pad = "NOTSET";  ///< NOTSET, SAME_UPPER, SAME_LOWER or VALID
  std::vector<int64_t> dilations;
  int64_t group = 1;
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "Conv"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
