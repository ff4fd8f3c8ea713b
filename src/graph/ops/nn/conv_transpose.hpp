#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// The gradient of Conv as a layer. Inputs: x [N, C, spatial...], w [C, M / group, kernel...], b [M] (optional).
struct ConvTranspose : OpOf<ConvTranspose> {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> dilations;
  int64_t group = 1;
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> output_padding;
  std::vector<int64_t> output_shape;  ///< spatial sizes; the pads follow from them
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "ConvTranspose"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
