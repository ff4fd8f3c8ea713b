#include "graph/ops/fused/fused.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"

namespace hone::ops {

namespace {

template <class F>
Tensor permuted(const Tensor& x, const Dims& dims, F source) {
  Tensor y(x.dtype(), dims);
  size_t element = size_of(x.dtype());
  const char* in = static_cast<const char*>(x.raw());
  char* out = static_cast<char*>(y.mutable_raw());
  int64_t i = 0;
  for (int64_t a = 0; a < dims[0]; ++a)
    for (int64_t b = 0; b < dims[1]; ++b)
      for (int64_t c = 0; c < dims[2]; ++c)
        for (int64_t d = 0; d < dims[3]; ++d, ++i)
          std::memcpy(out + static_cast<size_t>(i) * element, in + static_cast<size_t>(source(a, b, c, d)) * element,
                      element);
  return y;
}

Tensor dequantize_weights(const Tensor& w, const std::vector<float>& scales, int64_t channel_axis) {
  Tensor y(DType::f32, w.dims());
  auto in = w.data<int8_t>();
  auto out = y.mutable_data<float>();
  int64_t inner = 1;
  for (int64_t axis = channel_axis + 1; axis < w.rank(); ++axis) inner *= w.dim(static_cast<int>(axis));
  int64_t channels = w.dim(static_cast<int>(channel_axis));
  for (size_t i = 0; i < in.size(); ++i) {
    size_t channel = static_cast<size_t>(static_cast<int64_t>(i) / inner % channels);
    out[i] = in[i] * scales[scales.size() == 1 ? 0 : channel];
  }
  return y;
}

/// The axis of a weight tensor along which output channels lie.
int64_t weight_channel_axis(const Op& inner) {
  std::string_view type = inner.type();
  if (type == "Conv") return 0;
  if (type == "ConvTranspose") return 1;
  Attributes attributes = get_attributes(inner);
  auto it = attributes.find("transB");
  return it != attributes.end() && std::get<int64_t>(it->second) ? 0 : 1;
}

}  // namespace

Tensor to_channels_last(const Tensor& x) {
  int64_t c = x.dim(1), h = x.dim(2), w = x.dim(3);
  return permuted(x, {x.dim(0), h, w, c},
                  [=](int64_t n, int64_t y, int64_t z, int64_t k) { return ((n * c + k) * h + y) * w + z; });
}

Tensor to_channels_first(const Tensor& x) {
  int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3);
  return permuted(x, {x.dim(0), c, h, w},
                  [=](int64_t n, int64_t k, int64_t y, int64_t z) { return ((n * h + y) * w + z) * c + k; });
}

Tensor dequantize(const Tensor& x, const QuantParams& params) {
  if (!params.quantized()) return x;
  Tensor y(DType::f32, x.dims());
  auto out = y.mutable_data<float>();
  dispatch(x.dtype(), [&](auto tag) {
    const auto* in = static_cast<const decltype(tag)*>(x.raw());
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<float>(static_cast<double>(in[i]) - static_cast<double>(params.zero)) * params.scale;
  });
  return y;
}

Tensor quantize(const Tensor& x, DType dtype, const QuantParams& params) {
  Tensor y(dtype, x.dims());
  auto in = x.data<float>();
  float low = dtype == DType::u8 ? 0.0f : -128.0f, high = dtype == DType::u8 ? 255.0f : 127.0f;
  auto value = [&](float v) {
    return std::clamp(std::nearbyint(v / params.scale) + static_cast<float>(params.zero), low, high);
  };
  if (dtype == DType::u8) {
    auto out = y.mutable_data<uint8_t>();
    for (size_t i = 0; i < in.size(); ++i) out[i] = static_cast<uint8_t>(value(in[i]));
  } else {
    auto out = y.mutable_data<int8_t>();
    for (size_t i = 0; i < in.size(); ++i) out[i] = static_cast<int8_t>(value(in[i]));
  }
  return y;
}

namespace {
void multiply_channels(Tensor& y, int axis, const std::vector<float>& factors) {
  int64_t inner = 1;
  for (int i = axis + 1; i < y.rank(); ++i) inner *= y.dim(i);
  auto values = y.mutable_data<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] *= factors[i / static_cast<size_t>(inner) % factors.size()];
}
}  // namespace

OpSpec Fused::spec() const {
  return {.min_inputs = 1, .max_inputs = -1, .summary = "y = quantize(act2(act(inner(x...)) + residual))"};
}

void Fused::attributes(AttributeVisitor& v) {
  std::string text = inner ? describe() : "";
  v.field("fused", text);
  v.field("channels_last", channels_last);
  if (out.quantized()) {
    v.field("out_scale", out.scale);
    v.field("out_zero", out.zero);
  }
}

bool Fused::input_has_layout(size_t i) const {
  if (!channels_last || i >= static_cast<size_t>(inner_inputs))
    return channels_last && has_residual && i == static_cast<size_t>(inner_inputs);
  std::string_view type = inner->type();
  bool only_first = type == "Conv" || type == "ConvTranspose" || type == "Resize" || type == "BatchNormalization" ||
                    type == "InstanceNormalization" || type == "PRelu" || type == "IntegerConv";
  return i == 0 || !only_first;
}

void Fused::infer(InferContext& context) const {
  // The inner rule sees NCHW shapes: build a small twin graph of the inner node.
  Graph twin;
  std::vector<Value*> inputs;
  for (size_t i = 0; i < static_cast<size_t>(inner_inputs); ++i) {
    if (!context.has_input(i)) {
      inputs.push_back(nullptr);
      continue;
    }
    Type type = context.input(i);
    // Quantized tensors act as f32 inside; what matters here is the shape.
    bool stored_as_int8 = type.dtype == DType::u8 || type.dtype == DType::i8;
    if (const Tensor* known = context.constant(i);
        known && !stored_as_int8 && !(input_has_layout(i) && known->rank() == 4)) {
      inputs.push_back(twin.add_constant("", *known));
      continue;
    }
    if (stored_as_int8) type.dtype = DType::f32;
    if (input_has_layout(i) && type.shape.ranked && type.shape.rank() == 4)
      type.shape = Shape{type.shape[0], type.shape[3], type.shape[1], type.shape[2]};
    inputs.push_back(twin.add_input("x", type.dtype, type.shape));
  }
  Node* node = twin.add(inner->clone(), inputs, context.node.name);
  Type type = node->output()->type;
  if (channels_last && type.shape.ranked && type.shape.rank() == 4)
    type.shape = Shape{type.shape[0], type.shape[2], type.shape[3], type.shape[1]};
  DType plain = context.dtype(0);
  bool quantized_in = input_quant(0).quantized();
  context.set_output(0, out_dtype != DType::undefined ? out_dtype : quantized_in ? DType::f32 : plain, type.shape);
}

void Fused::evaluate(EvalContext& context) const {
  std::vector<Tensor> held(static_cast<size_t>(inner_inputs));
  std::vector<const Tensor*> arguments;
  for (size_t i = 0; i < held.size(); ++i) {
    if (!context.has(i)) {
      arguments.push_back(nullptr);
      continue;
    }
    const Tensor& x = context.in(i);
    if (i == 1 && !weight_scales.empty() && x.dtype() == DType::i8)
      held[i] = dequantize_weights(x, weight_scales, weight_channel_axis(*inner));
    else
      held[i] = dequantize(x, input_quant(i));
    if (input_has_layout(i) && x.rank() == 4) held[i] = to_channels_first(held[i]);
    arguments.push_back(&held[i]);
  }
  std::vector<Tensor> results(1);
  EvalContext inner_context(inner->type(), arguments, results);
  inner->evaluate(inner_context);
  Tensor y = results[0];
  if (channels_last && y.rank() == 4) y = to_channels_last(y);
  bool plain =
      act.empty() && act2.empty() && !rounded.quantized() && !has_residual && out_factors.empty() && !out.quantized();
  if (!plain) {
    y = y.clone();
    Tensor add = has_residual ? dequantize(context.in(static_cast<size_t>(inner_inputs)), residual) : Tensor();
    auto values = y.mutable_data<float>();
    for (float& v : values) v = apply(act, v);
    if (rounded.quantized()) {
      y = dequantize(quantize(y, rounded_dtype, rounded), rounded);
      values = y.mutable_data<float>();
    }
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = apply(act2, has_residual ? values[i] + add.data<float>()[i] : values[i]);
    if (!out_factors.empty()) multiply_channels(y, channels_last ? 3 : 1, out_factors);
    if (out.quantized()) y = quantize(y, out_dtype, out);
  }
  context.set(0, y);
}

std::string Fused::describe() const {
  std::string text = inner->type();
  if (!act.empty()) text += "+" + act.name;
  if (has_residual) text += "+Add";
  if (!act2.empty()) text += "+" + act2.name;
  if (!out_factors.empty()) text += "+Mul";
  if (input_quant(0).quantized()) text += " int8";
  return text;
}

HONE_DEFINE_OP(Fused)

}  // namespace hone::ops
