#pragma once
#include <vector>

#include "graph/ops/fused/fused.hpp"

namespace hone::ops {

/// The whole preprocessing of an image, as compile makes it of Cast, Gather, Transpose, Resize, Sub, Div,
/// QuantizeLinear:
///   y[n, h, w, c] = quantize(resize(x)[n, h, w, source_channel[c]] * scale[c] + shift[c])
/// x: u8 [N, H, W, C], C <= 4. y: f32, or 8-bit when `out` is quantized; channels last.
struct ImageInput : OpOf<ImageInput> {
  int64_t out_height = 0, out_width = 0;  ///< 0: no resize
  bool antialias = false;                 ///< of the resize, which is ONNX Resize linear, half_pixel
  std::vector<int64_t> source_channel;
  std::vector<float> scale, shift;
  DType out_dtype = DType::f32;
  QuantParams out;

  const char* type() const override { return "ImageInput"; }
  const char* domain() const override { return "hone"; }
  OpSpec spec() const override { return {.summary = "y = quantize(resize(x) * scale + shift), channels last"}; }
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
