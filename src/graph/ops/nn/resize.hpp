#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Resamples x. Inputs: x, roi (optional), scales (optional), sizes (optional; exactly one of scales and sizes).
struct Resize : OpOf<Resize> {
  int64_t antialias = 0;  ///< 1: filters widen when shrinking
  std::vector<int64_t> axes;  ///< axes that roi, scales and sizes are about; empty: all
  std::string coordinate_transformation_mode = "half_pixel";
  float cubic_coeff_a = -0.75f;
  int64_t exclude_outside = 0;
  float extrapolation_value = 0;  ///< for tf_crop_and_resize
  std::string keep_aspect_ratio_policy = "stretch";  ///< stretch, not_larger or not_smaller
  std::string mode = "nearest";  ///< nearest, linear or cubic
  std::string nearest_mode = "round_prefer_floor";

  const char* type() const override { return "Resize"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
