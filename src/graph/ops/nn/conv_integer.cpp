#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

/// y (i32) = conv(x - x_zero, w - w_zero). Inputs: x, w (8-bit), x_zero (scalar, optional), w_zero (scalar or one an
/// output channel, optional).
struct ConvInteger : OpOf<ConvInteger> {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> dilations;
  int64_t group = 1;
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> pads;
  std::vector<int64_t> strides;

  const char* type() const override { return "ConvInteger"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 4, .summary = "y = conv(x - x_zero, w - w_zero) in i32"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("auto_pad", auto_pad);
    visitor.field("dilations", dilations);
    visitor.field("group", group);
    visitor.field("kernel_shape", kernel_shape);
    visitor.field("pads", pads);
    visitor.field("strides", strides);
  }
  void infer(InferContext& context) const override {
    infer_conv(context, window_attributes(*this), group, 0, 1, context.input_count(), DType::i32);
  }
  void evaluate(EvalContext& context) const override {
    Tensor x = without_zero_point(context, 0, 2, 1), w = without_zero_point(context, 1, 3, 0);
    Dims dims;
    ConvGeometry geometry = conv_geometry(context, window_attributes(*this), group, x.dims(), w.dims(), dims);
    Tensor& y = context.out(0, DType::i32, dims);
    unfolded_conv<uint32_t>(geometry, pointer<uint32_t>(x), pointer<uint32_t>(w), nullptr,
                          static_cast<uint32_t*>(y.mutable_raw()));
  }
};

HONE_DEFINE_OP(ConvInteger)

}  // namespace hone::ops
