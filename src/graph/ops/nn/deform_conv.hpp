#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// A convolution whose kernel elements read at places moved by offsets, with linear interpolation (zeros outside).
/// Inputs: x [N, C, spatial...], w [M, C / group, kernel...], offset [N, offset_group * kernel size * spatial axes,
/// output...] (for each kernel element its shift along every axis), b [M] (optional), mask [N, offset_group * kernel
/// size, output...] (optional: a factor).
struct DeformConv : OpOf<DeformConv> {
  std::vector<int64_t> dilations;
  int64_t group = 1;
  std::vector<int64_t> kernel_shape;
  int64_t offset_group = 1;
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "DeformConv"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
