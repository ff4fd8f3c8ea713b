#include "compile/lower/patterns.hpp"

#include "base/error.hpp"
#include "graph/ops/quant/dequantize_linear.hpp"
#include "graph/ops/quant/quantize_linear.hpp"

namespace hone {

namespace {

bool is_8_bit(DType type) { return type == DType::u8 || type == DType::i8; }

/// Scale (one number) and zero point of a Quantize- or DequantizeLinear node, when they are constant.
std::optional<ops::QuantParams> per_tensor_params(const Node& node) {
  const Value *scale = node.input(1), *zero = node.input(2);
  if (!scale || !scale->is_constant() || scale->constant().size() != 1) return std::nullopt;
  if (zero && (!zero->is_constant() || zero->constant().size() != 1)) return std::nullopt;
  ops::QuantParams params;
  params.scale = static_cast<float>(scale->constant().scalar_as_double());
  if (zero) params.zero = zero->constant().to_ints()[0];
  if (!(params.scale > 0)) return std::nullopt;
  return params;
}

}  // namespace

std::optional<Quantized> dequantized_from(const Value* value) {
  const Node* node = value ? value->producer() : nullptr;
  if (!node || !node->as<ops::DequantizeLinear>() || !is_8_bit(node->input(0)->dtype())) return std::nullopt;
  auto params = per_tensor_params(*node);
  if (!params) return std::nullopt;
  return Quantized{node->input(0), *params};
}

std::optional<QuantizedWeights> dequantized_weights(const Value* value, int64_t axis) {
  const Node* node = value ? value->producer() : nullptr;
  const auto* op = node ? node->as<ops::DequantizeLinear>() : nullptr;
  if (!op || !node->input(0)->is_constant() || node->input(0)->dtype() != DType::i8) return std::nullopt;
  const Value *scale = node->input(1), *zero = node->input(2);
  if (!scale->is_constant()) return std::nullopt;
  if (zero) {
    if (!zero->is_constant()) return std::nullopt;
    for (int64_t number : zero->constant().to_ints())
      if (number != 0) return std::nullopt;
  }
  int64_t rank = node->input(0)->constant().rank();
  int64_t quantized_axis = op->axis < 0 ? op->axis + rank : op->axis;
  if (scale->constant().size() != 1 && (quantized_axis != axis || scale->constant().rank() != 1)) return std::nullopt;
  return QuantizedWeights{node->input(0), scale->constant().to_floats()};
}

std::optional<ops::QuantParams> quantize_params(const Node& node) {
  if (!node.as<ops::QuantizeLinear>() || !is_8_bit(node.output()->dtype())) return std::nullopt;
  return per_tensor_params(node);
}

std::optional<Tensor> constant_floats(const Value* value) {
  if (!value) return std::nullopt;
  if (value->is_constant()) {
    if (!is_float(value->dtype())) return std::nullopt;
    return value->constant().cast(DType::f32);
  }
  const Node* node = value->producer();
  if (!node || !node->as<ops::DequantizeLinear>()) return std::nullopt;
  std::vector<const Tensor*> inputs;
  for (const Value* input : node->inputs()) {
    if (input && !input->is_constant()) return std::nullopt;
    inputs.push_back(input ? &input->constant() : nullptr);
  }
  return evaluate_node(*node, inputs)[0].cast(DType::f32);
}

Node* single_user(const Graph& graph, const Value* value) {
  if (value->uses().size() != 1 || graph.is_output(value)) return nullptr;
  return value->uses()[0].node;
}

std::unique_ptr<Op> new_op(const char* op_type, const Attributes& attributes) {
  auto op = make_op("", op_type);
  if (!op) throw Error(op_type, "is not a known op");
  set_attributes(*op, attributes);
  return op;
}

}  // namespace hone
