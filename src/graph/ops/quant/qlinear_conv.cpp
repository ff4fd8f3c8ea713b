#include "graph/ops/quant/qlinear_conv.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

OpSpec QLinearConv::spec() const {
  return {.min_inputs = 8, .max_inputs = 9, .summary = "y = quantize(conv(dequantize(x), dequantize(w)) + b)"};
}

void QLinearConv::attributes(AttributeVisitor& visitor) {
  visitor.field("auto_pad", auto_pad);
  visitor.field("dilations", dilations);
  visitor.field("group", group);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("pads", pads);
  visitor.field("strides", strides);
}

void QLinearConv::infer(InferContext& context) const {
  infer_conv(context, window_attributes(*this), group, 0, 3, 8, context.dtype(7));
}

void QLinearConv::evaluate(EvalContext& context) const {
  Tensor x = without_zero_point(context, 0, 2, 1), w = without_zero_point(context, 3, 5, 0), bias;
  Dims dims;
  ConvGeometry geometry = conv_geometry(context, window_attributes(*this), group, x.dims(), w.dims(), dims);
  if (context.has(8)) {
    check_vector(context, 8, "bias", dims[1]);
    if (context.in(8).dtype() != DType::i32) context.fail("bias is not i32");
    bias = context.in(8);
  }
  Tensor sums(DType::i32, dims);
  unfolded_conv<uint32_t>(geometry, pointer<uint32_t>(x), pointer<uint32_t>(w),
                        bias.defined() ? static_cast<const uint32_t*>(bias.raw()) : nullptr,
                        static_cast<uint32_t*>(sums.mutable_raw()));
  auto x_scale = static_cast<float>(scalar_input(context, 1, "x_scale"));
  auto y_scale = static_cast<float>(scalar_input(context, 6, "y_scale"));
  std::vector<float> w_scale = context.in(4).to_floats();
  auto channels = static_cast<size_t>(dims[1]);
  if (w_scale.size() == 1) w_scale.assign(channels, w_scale[0]);
  if (w_scale.size() != channels)
    context.fail(fmt::format("w_scale has {} elements, expected one or {}", w_scale.size(), channels));
  DType dtype = context.in(7).dtype();
  auto zero = static_cast<int64_t>(scalar_input(context, 7, "y_zero_point"));
  with_quantized(context, dtype, [&]<class T>(T) {
    T* y = context.out(0, dtype, dims).mutable_data<T>().data();
    const int32_t* sum = sums.data<int32_t>().data();
    int64_t plane = geometry.output_plane();
    for (int64_t i = 0; i < sums.size(); ++i) {
      size_t channel = static_cast<size_t>(i / plane) % channels;
      double scale = static_cast<double>(x_scale) * w_scale[channel] / y_scale;
      y[i] = quantized<T>(sum[i] * scale, zero);
    }
  });
}

HONE_DEFINE_OP(QLinearConv)

}  // namespace hone::ops
