#include "graph/ops/fused/integer_product.hpp"

#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/nn/matrix.hpp"

namespace hone::ops {

namespace {

void end_attributes(AttributeVisitor& visitor, ProductEnd& end) {
  visitor.field("factors", end.factors);
  visitor.field("bias", end.bias);
  visitor.field("integers", end.integers);
}

DType result_type(const ProductEnd& end) { return end.integers ? DType::i32 : DType::f32; }

/// The product by the op of ONNX, then its way out. `axis`: of the output channels.
void evaluate_as(const char* op_type, const Attributes& attributes, const ProductEnd& end, EvalContext& context,
                 int axis) {
  auto op = make_op("", op_type);
  set_attributes(*op, attributes);
  std::vector<const Tensor*> inputs;
  for (size_t i = 0; i < 4; ++i) inputs.push_back(context.has(i) ? &context.in(i) : nullptr);
  Tensor results[1];
  EvalContext inner(context.place(), inputs, results);
  op->evaluate(inner);
  if (end.integers) return context.set(0, results[0]);
  const float scale = context.has(4) ? static_cast<float>(context.in(4).scalar_as_double()) : 1.0f;
  Tensor y = results[0].cast(DType::f32).clone();
  const size_t channel_axis = axis < 0 ? y.dims().size() - 1 : static_cast<size_t>(axis);
  int64_t behind = 1;
  for (size_t i = channel_axis + 1; i < y.dims().size(); ++i) behind *= y.dims()[i];
  auto at = [](const std::vector<float>& list, size_t c, float otherwise) {
    return list.empty() ? otherwise : list[list.size() == 1 ? 0 : c];
  };
  auto values = y.mutable_data<float>();
  const auto channels = static_cast<size_t>(y.dims()[channel_axis]);
  for (const auto* list : {&end.factors, &end.bias})
    if (list->size() > 1 && list->size() != channels)
      context.fail("has factors or a bias that are not one number a channel");
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / static_cast<size_t>(behind) % channels;
    values[i] = values[i] * (scale * at(end.factors, c, 1)) + at(end.bias, c, 0);
  }
  context.set(0, y);
}

}  // namespace

OpSpec IntegerConv::spec() const {
  return {.min_inputs = 2, .max_inputs = 5, .summary = "y = conv(x - x_zero, w - w_zero) * scale * factors + bias"};
}

void IntegerConv::attributes(AttributeVisitor& visitor) {
  visitor.field("auto_pad", auto_pad);
  visitor.field("dilations", dilations);
  visitor.field("group", group);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("pads", pads);
  visitor.field("strides", strides);
  end_attributes(visitor, end);
}

void IntegerConv::infer(InferContext& context) const {
  infer_conv(context, window_attributes(*this), group, 0, 1, context.input_count(), result_type(end));
}

void IntegerConv::evaluate(EvalContext& context) const {
  Attributes attributes = get_attributes(*this);
  for (const char* own : {"factors", "bias", "integers"}) attributes.erase(own);
  evaluate_as("ConvInteger", attributes, end, context, 1);
}

OpSpec IntegerMatMul::spec() const {
  return {.min_inputs = 2, .max_inputs = 5, .summary = "y = (x - x_zero) (w - w_zero) * scale * factors + bias"};
}

void IntegerMatMul::attributes(AttributeVisitor& visitor) { end_attributes(visitor, end); }

void IntegerMatMul::infer(InferContext& context) const { infer_matmul(context, 0, 1, result_type(end)); }

void IntegerMatMul::evaluate(EvalContext& context) const { evaluate_as("MatMulInteger", {}, end, context, -1); }

HONE_DEFINE_OP(IntegerConv)
HONE_DEFINE_OP(IntegerMatMul)

}  // namespace hone::ops
