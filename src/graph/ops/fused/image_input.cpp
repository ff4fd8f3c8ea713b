#include "graph/ops/fused/image_input.hpp"

#include "graph/ops/nn/resize.hpp"

namespace hone::ops {

void ImageInput::attributes(AttributeVisitor& v) {
  v.field("out_height", out_height);
  v.field("out_width", out_width);
  v.field("antialias", antialias);
  v.field("source_channel", source_channel);
  v.field("scale", scale);
  v.field("shift", shift);
}

void ImageInput::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  if (!x.ranked || x.rank() != 4) context.fail("input is " + to_string(x) + ", expected [N, H, W, C]");
  Dim height = out_height > 0 ? Dim(out_height) : x[1], width = out_width > 0 ? Dim(out_width) : x[2];
  context.set_output(0, out_dtype, Shape{x[0], height, width, Dim(static_cast<int64_t>(source_channel.size()))});
}

void ImageInput::evaluate(EvalContext& context) const {
  Tensor image = to_channels_first(context.in(0)).cast(DType::f32);
  if (out_height > 0) {
    Resize resize;
    resize.mode = "linear";
    resize.antialias = antialias;
    resize.axes = {2, 3};
    Tensor sizes = Tensor::of<int64_t>({2}, {out_height, out_width});
    const Tensor* arguments[] = {&image, nullptr, nullptr, &sizes};
    Tensor results[1];
    EvalContext inner("resize", arguments, results);
    resize.evaluate(inner);
    image = results[0];
  }
  image = to_channels_last(image);
  int64_t channels = static_cast<int64_t>(source_channel.size()), stride = image.dim(3), pixels = image.size() / stride;
  Tensor y(DType::f32, {image.dim(0), image.dim(1), image.dim(2), channels});
  auto in = image.data<float>();
  auto values = y.mutable_data<float>();
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (size_t c = 0; c < static_cast<size_t>(channels); ++c)
      values[static_cast<size_t>(pixel * channels) + c] =
          in[static_cast<size_t>(pixel * stride + source_channel[c])] * scale[c] + shift[c];
  context.set(0, out.quantized() ? quantize(y, out_dtype, out) : y);
}

HONE_DEFINE_OP(ImageInput)

}  // namespace hone::ops
