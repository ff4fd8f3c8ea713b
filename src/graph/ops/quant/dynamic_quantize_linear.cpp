#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

/// Quantizes x (f32) to u8 by its own range, which includes 0. Outputs: y, scale, zero_point.
struct DynamicQuantizeLinear : OpOf<DynamicQuantizeLinear> {
  const char* type() const override { return "DynamicQuantizeLinear"; }
  OpSpec spec() const override {
    return {.min_outputs = 3, .max_outputs = 3, .summary = "y, scale, zero_point = x quantized by its own range"};
  }
  void infer(InferContext& context) const override {
    context.set_output(0, DType::u8, context.shape(0));
    context.set_output(1, DType::f32, Shape(std::vector<Dim>{}));
    context.set_output(2, DType::u8, Shape(std::vector<Dim>{}));
  }
  void evaluate(EvalContext& context) const override {
    auto x = context.in(0).data<float>();
    float low = 0, high = 0;
    for (float value : x) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
    float scale = (high - low) / 255;
    if (!(scale > 0)) scale = 1;  // all zeros
    auto zero = quantized<uint8_t>(-low / scale, 0);
    auto y = context.out(0, DType::u8, context.in(0).dims()).mutable_data<uint8_t>();
    for (size_t i = 0; i < x.size(); ++i) y[i] = quantized<uint8_t>(x[i] / scale, zero);
    context.out(1, DType::f32, {}).mutable_data<float>()[0] = scale;
    context.out(2, DType::u8, {}).mutable_data<uint8_t>()[0] = zero;
  }
};

HONE_DEFINE_OP(DynamicQuantizeLinear)

}  // namespace hone::ops
