#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "import/onnx/normalize.hpp"
#include "tensor/int4.hpp"

// Products with quantized weights of ONNX Runtime (domain com.microsoft) as what ONNX itself has.
namespace hone::onnx {

namespace {

/// The node becomes Cast(MatMulInteger(a, b, a_zero, b_zero)) * (a_scale * b_scale) + bias.
void scaled_product(DraftNode& node, Normalizer& normalizer, std::vector<Value*> factors, Value* a_scale,
                    Value* b_scale, Value* bias) {
  if (!a_scale || !b_scale) node.fail("has no scale for an input", "the file is broken; export it again");
  while (!factors.empty() && !factors.back()) factors.pop_back();
  Value* product = normalizer.add(node, "product", "MatMulInteger", std::move(factors));
  Value* real = normalizer.add(node, "real", "Cast", {product}, {{"to", int64_t{1}}});
  Value* scale = normalizer.add(node, "scale", "Mul", {a_scale, b_scale});
  node.attributes.clear();
  node.op = "Mul";
  node.inputs = {real, scale};
  if (!bias) return;
  Value* scaled = normalizer.add(node, "scaled", "Mul", {real, scale});
  node.op = "Add";
  node.inputs = {scaled, bias};
}

/// [N, blocks * block] of `bits` (4 or 8) in bytes, each row from a byte of its own, as [rows of K, N].
std::vector<uint8_t> rows_to_columns(const Tensor& packed, int64_t channels, int64_t depth, int64_t bits) {
  const auto bytes = packed.data<uint8_t>();
  const int64_t row = packed.size() / channels;
  std::vector<uint8_t> result(static_cast<size_t>(channels * depth));
  for (int64_t n = 0; n < channels; ++n)
    for (int64_t k = 0; k < depth; ++k) {
      const uint8_t byte = bytes[static_cast<size_t>(n * row + (bits == 8 ? k : k / 2))];
      result[static_cast<size_t>(k * channels + n)] = bits == 8 ? byte : k % 2 ? byte >> 4 : byte & 15;
    }
  return result;
}

Tensor transposed_floats(const Tensor& scales, int64_t channels, int64_t blocks) {
  const std::vector<float> in = scales.to_floats();
  std::vector<float> out(in.size());
  for (int64_t n = 0; n < channels; ++n)
    for (int64_t b = 0; b < blocks; ++b)
      out[static_cast<size_t>(b * channels + n)] = in[static_cast<size_t>(n * blocks + b)];
  return Tensor::of<float>({blocks, channels}, out);
}

Tensor of_type(DType type, const Dims& dims, const std::vector<uint8_t>& values) {
  Tensor result(type, dims);
  std::copy(values.begin(), values.end(), static_cast<uint8_t*>(result.mutable_raw()));
  return result;
}

}  // namespace

/// Inputs: a, b, a_scale, b_scale, a_zero, b_zero, bias.
void matmul_integer_to_float(DraftNode& node, Normalizer& normalizer) {
  scaled_product(node, normalizer, {node.input(0), node.input(1), node.input(4), node.input(5)}, node.input(2),
                 node.input(3), node.input(6));
}

/// Inputs: a (f32), b, b_scale, b_zero, bias.
void dynamic_quantize_matmul(DraftNode& node, Normalizer& normalizer) {
  Node* quantized =
      normalizer.graph.add(make_op("", "DynamicQuantizeLinear"), {node.input(0)}, node.name + "_quantized", 3);
  scaled_product(node, normalizer, {quantized->output(0), node.input(1), quantized->output(2), node.input(3)},
                 quantized->output(1), node.input(2), node.input(4));
}

/// Inputs: x [batch, steps, size], w [size, 3 * hidden] for q, k and v, bias, x_scale, w_scale, mask (1: a key counts),
/// x_zero, w_zero, past. The product is one of integers, attention one of floats, as in ONNX Runtime.
void qattention(DraftNode& node, Normalizer& normalizer) {
  const int64_t heads = node.take<int64_t>("num_heads").value_or(0);
  const int64_t causal = node.take<int64_t>("unidirectional").value_or(0);
  const std::optional<float> scale = node.take<float>("scale");
  if (node.take<int64_t>("do_rotary").value_or(0) != 0)
    node.fail("rotates q and k (do_rotary), which is not supported");
  node.attributes.clear();  // what a mask adds: -10000, which is as good as minus infinity
  if (heads < 1) node.fail(fmt::format("has num_heads {}, expected at least 1", heads));
  if (node.input(8)) node.fail("has a past, which is not supported", "export the model without past keys and values");
  Value* mask = node.input(5);
  if (mask && (!mask->shape().ranked || mask->shape().rank() < 2))
    node.fail("has a mask of lengths", "export the model with a mask of one number a key");
  DraftNode product = node;
  scaled_product(product, normalizer, {node.input(0), node.input(1), node.input(6), node.input(7)}, node.input(3),
                 node.input(4), node.input(2));
  Value* qkv = normalizer.add(node, "qkv", product.op.c_str(), product.inputs);
  auto split = make_op("", "Split");
  set_attributes(*split, {{"axis", int64_t{2}}, {"num_outputs", int64_t{3}}});
  Node* parts = normalizer.graph.add(std::move(split), {qkv}, node.name + "_parts", 3);
  node.inputs = {parts->output(0), parts->output(1), parts->output(2)};
  if (mask) {
    mask = normalizer.add(node, "mask", "Cast", {mask}, {{"to", int64_t{9}}});
    // [batch, keys] or [batch, queries, keys], for all heads.
    Tensor axes = mask->shape().rank() == 2 ? Tensor::of<int64_t>({2}, {1, 2}) : Tensor::of<int64_t>({1}, {1});
    if (mask->shape().rank() < 4)
      mask = normalizer.add(node, "mask4", "Unsqueeze", {mask, normalizer.constant(node, "axes", axes)});
    node.inputs.push_back(mask);
  }
  node.attributes = {{"q_num_heads", heads}, {"kv_num_heads", heads}, {"is_causal", causal}};
  if (scale) node.attributes["scale"] = *scale;
}

/// Inputs: a, b [N, blocks, bytes of a block], scales [N * blocks], zero_points (packed as b), g_idx, bias.
void matmul_nbits(DraftNode& node, Normalizer& normalizer) {
  const int64_t depth = node.take<int64_t>("K").value_or(0), channels = node.take<int64_t>("N").value_or(0);
  const int64_t bits = node.take<int64_t>("bits").value_or(4), block = node.take<int64_t>("block_size").value_or(0);
  node.attributes.clear();  // accuracy_level is a hint
  const auto fixed = [&](size_t i) { return node.input(i) && node.input(i)->is_constant(); };
  if (bits != 4 && bits != 8) node.fail(fmt::format("has weights of {} bits, expected 4 or 8", bits));
  if (node.input(4)) node.fail("has an order of groups (g_idx)", "quantize the model without act_order");
  if (!fixed(1) || !fixed(2) || (node.input(3) && !fixed(3))) node.fail("has weights that are not constant");
  if (depth < 1 || channels < 1 || block < 2)
    node.fail(fmt::format("has K {}, N {} and block_size {}", depth, channels, block));
  const int64_t blocks = (depth + block - 1) / block;
  const Tensor &b = node.input(1)->constant(), &scales = node.input(2)->constant();
  const int64_t row = blocks * ((block * bits + 7) / 8), zero_row = (blocks * bits + 7) / 8;
  if (b.dtype() != DType::u8 || b.size() != channels * row || scales.size() != channels * blocks ||
      !is_float(scales.dtype()))
    node.fail(fmt::format("has weights {} and scales {}, expected {} bytes and {} numbers", to_string(b.dims()),
                          to_string(scales.dims()), channels * row, channels * blocks));
  const DType type = bits == 8 ? DType::u8 : dtype_u4;
  std::vector<uint8_t> zeros(static_cast<size_t>(blocks * channels), static_cast<uint8_t>(bits == 8 ? 128 : 8));
  if (node.input(3)) {
    const Tensor& given = node.input(3)->constant();
    if (given.dtype() != DType::u8 || given.size() != channels * zero_row)
      node.fail(fmt::format("has zero points {}[{}], expected {} bytes", name_of(given.dtype()), given.size(),
                            channels * zero_row));
    zeros = rows_to_columns(given, channels, blocks, bits);
  }
  Value* w =
      normalizer.constant(node, "weights", of_type(type, {depth, channels}, rows_to_columns(b, channels, depth, bits)));
  Value* scale = normalizer.constant(node, "scales", transposed_floats(scales, channels, blocks));
  Value* zero = normalizer.constant(node, "zeros", of_type(type, {blocks, channels}, zeros));
  Value* real =
      normalizer.add(node, "real", "DequantizeLinear", {w, scale, zero}, {{"axis", int64_t{0}}, {"block_size", block}});
  if (node.input(0) && node.input(0)->dtype() == DType::f16)
    real = normalizer.add(node, "half", "Cast", {real}, {{"to", int64_t{10}}});
  Value* bias = node.input(5);
  std::vector<Value*> factors{node.input(0), real};
  node.op = "MatMul";
  node.inputs = factors;
  if (!bias) return;
  node.op = "Add";
  node.inputs = {normalizer.add(node, "product", "MatMul", factors), bias};
}

}  // namespace hone::onnx
