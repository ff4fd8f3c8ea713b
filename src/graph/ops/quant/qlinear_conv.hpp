#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// A convolution of quantized tensors.
/// Inputs: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b (i32, optional).
struct QLinearConv : OpOf<QLinearConv> {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> dilations;
  int64_t group = 1;
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "QLinearConv"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
