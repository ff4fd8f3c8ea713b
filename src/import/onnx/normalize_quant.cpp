#include <algorithm>

#include <fmt/format.h>

#include "import/onnx/normalize.hpp"

// The quantized ops of ONNX Runtime (domain com.microsoft) as QuantizeLinear(op(DequantizeLinear ...)).
namespace hone::onnx {

namespace {

bool several(const Value* scale) {
  return scale && scale->shape().is_static() && element_count(scale->shape().concrete()) > 1;
}

Value* dequantize(DraftNode& node, Normalizer& normalizer, const char* what, size_t first, int64_t axis = 1) {
  if (!node.input(first) || !node.input(first + 1))
    node.fail("has no scale for an input", "the file is broken; export it again");
  std::vector<Value*> inputs{node.inputs[first], node.inputs[first + 1]};
  if (node.input(first + 2)) inputs.push_back(node.inputs[first + 2]);
  Attributes attributes;
  if (several(inputs[1])) attributes["axis"] = axis;
  return normalizer.add(node, what, "DequantizeLinear", std::move(inputs), attributes);
}

/// The node becomes the quantization of `value`; without a zero point the result has the type of the input.
void quantize(DraftNode& node, Normalizer& normalizer, Value* value, size_t scale, DType type) {
  if (!node.input(scale)) node.fail("has no scale for its output", "the file is broken; export it again");
  Value* zero = node.input(scale + 1);
  if (!zero) zero = normalizer.constant(node, "zero", Tensor::zeros(type == DType::i8 ? DType::i8 : DType::u8, {}));
  node.inputs = {value, node.inputs[scale], zero};
  node.attributes.clear();
}

void refuse_channels_last(DraftNode& node) {
  if (node.take<int64_t>("channels_last").value_or(0) != 0)
    node.fail("works on channels-last data, which only ONNX Runtime's own optimizer makes",
              "take the model as it was before that optimizer");
}

void binary(DraftNode& node, Normalizer& normalizer, const char* op) {
  DType type = node.input(0) ? node.inputs[0]->dtype() : DType::u8;
  Value *a = dequantize(node, normalizer, "a", 0), *b = dequantize(node, normalizer, "b", 3);
  quantize(node, normalizer, normalizer.add(node, "result", op, {a, b}), 6, type);
}

void unary(DraftNode& node, Normalizer& normalizer, const char* op, const Attributes& attributes) {
  DType type = node.input(0) ? node.inputs[0]->dtype() : DType::u8;
  Value* x = dequantize(node, normalizer, "x", 0);
  quantize(node, normalizer, normalizer.add(node, "result", op, {x}, attributes), 3, type);
}

}  // namespace

void qlinear_add(DraftNode& node, Normalizer& normalizer) { binary(node, normalizer, "Add"); }
void qlinear_mul(DraftNode& node, Normalizer& normalizer) { binary(node, normalizer, "Mul"); }

void qlinear_leaky_relu(DraftNode& node, Normalizer& normalizer) {
  unary(node, normalizer, "LeakyRelu", {{"alpha", node.take<float>("alpha").value_or(0.01f)}});
}

void qlinear_sigmoid(DraftNode& node, Normalizer& normalizer) { unary(node, normalizer, "Sigmoid", {}); }

/// Of opset 12 and older, everything from the axis on is one row, as in softmax_two_dims().
void qlinear_softmax(DraftNode& node, Normalizer& normalizer) {
  const bool one_axis = node.take<int64_t>("opset").value_or(13) >= 13;
  int64_t axis = node.take<int64_t>("axis").value_or(one_axis ? -1 : 1);
  if (!node.input(0)) node.fail("has no input");
  Value* x = node.inputs[0];
  const Shape& shape = x->shape();
  const int64_t rank = shape.ranked ? static_cast<int64_t>(shape.rank()) : -1;
  if (one_axis || axis == -1 || axis == rank - 1) return unary(node, normalizer, "Softmax", {{"axis", axis}});
  if (shape.ranked && (axis < -rank || axis > rank))
    node.fail(fmt::format("has axis {} for an input of {} dimensions", axis, rank));
  // What moves values stays outside, so that softmax has quantized neighbours.
  Value* sizes = shape.is_static() ? normalizer.integers(node, "shape", shape.concrete())
                                   : normalizer.add(node, "shape", "Shape", {x});
  node.inputs[0] = normalizer.add(node, "matrix", "Flatten", {x}, {{"axis", axis}});
  unary(node, normalizer, "Softmax", {{"axis", int64_t{-1}}});
  Value* rows = normalizer.add(node, "rows", "QuantizeLinear", node.inputs);
  node.op = "Reshape";
  node.inputs = {rows, sizes};
}

void qlinear_average_pool(DraftNode& node, Normalizer& normalizer) {
  refuse_channels_last(node);
  unary(node, normalizer, "AveragePool", Attributes(node.attributes));
}

void qlinear_global_average_pool(DraftNode& node, Normalizer& normalizer) {
  refuse_channels_last(node);
  unary(node, normalizer, "GlobalAveragePool", {});
}

/// Inputs: y_scale, y_zero, then x, scale, zero of each part.
void qlinear_concat(DraftNode& node, Normalizer& normalizer) {
  std::vector<Value*> parts;
  for (size_t i = 2; i < node.inputs.size(); i += 3) parts.push_back(dequantize(node, normalizer, "part", i));
  if (parts.empty()) node.fail("has no inputs");
  DType type = node.inputs[2]->dtype();
  Value* all = normalizer.add(node, "result", "Concat", parts, {{"axis", node.take<int64_t>("axis").value_or(1)}});
  quantize(node, normalizer, all, 0, type);
}

/// Inputs: condition, x, scale, zero, y, scale, zero, then those of the result.
void qlinear_where(DraftNode& node, Normalizer& normalizer) {
  if (!node.input(0)) node.fail("has no condition", "the file is broken; export it again");
  DType type = node.input(1) ? node.inputs[1]->dtype() : DType::u8;
  Value *a = dequantize(node, normalizer, "a", 1), *b = dequantize(node, normalizer, "b", 4);
  quantize(node, normalizer, normalizer.add(node, "result", "Where", {node.inputs[0], a, b}), 7, type);
}

/// Inputs: a, scale, zero, b, scale, zero, c (i32 with scale alpha * a_scale * b_scale), y_scale, y_zero.
void qgemm(DraftNode& node, Normalizer& normalizer) {
  float alpha = node.take<float>("alpha").value_or(1.0f);
  int64_t trans_a = node.take<int64_t>("transA").value_or(0), trans_b = node.take<int64_t>("transB").value_or(0);
  DType type = node.input(0) ? node.inputs[0]->dtype() : DType::u8;
  std::vector<Value*> inputs{dequantize(node, normalizer, "a", 0),
                             dequantize(node, normalizer, "b", 3, trans_b ? 0 : 1)};
  if (Value* c = node.input(6)) {
    Value* scale = normalizer.add(node, "c_scale", "Mul", {node.inputs[1], node.inputs[4]});
    Value* factor = normalizer.constant(node, "alpha", Tensor::scalar(alpha));
    Value* real = normalizer.add(node, "c_real", "Cast", {c}, {{"to", int64_t{1}}});
    inputs.push_back(
        normalizer.add(node, "c", "Mul", {real, normalizer.add(node, "c_factor", "Mul", {scale, factor})}));
  }
  Value* y =
      normalizer.add(node, "result", "Gemm", inputs, {{"alpha", alpha}, {"transA", trans_a}, {"transB", trans_b}});
  if (!node.input(7)) {  // without a scale the result is f32
    node.op = "Identity";
    node.inputs = {y};
    node.attributes.clear();
    return;
  }
  quantize(node, normalizer, y, 7, type);
}

}  // namespace hone::onnx
