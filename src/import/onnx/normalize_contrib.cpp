#include <limits>

#include <fmt/format.h>

#include "import/onnx/normalize.hpp"

// The floating-point ops (domain com.microsoft) that ONNX Runtime's optimizer makes of those of ONNX: models that it
// saved are full of them.
namespace hone::onnx {

namespace {

Value* required(DraftNode& node, size_t i) {
  if (!node.input(i)) node.fail(fmt::format("has no input {}", i), "the file is broken; export it again");
  return node.inputs[i];
}

void become(DraftNode& node, const char* op, std::vector<Value*> inputs, Attributes attributes = {}) {
  node.op = op;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
}

Value* number(const DraftNode& node, Normalizer& normalizer, const char* what, float value, DType dtype) {
  Tensor tensor = Tensor::scalar(value);
  return normalizer.constant(node, what, is_float(dtype) ? tensor.cast(dtype) : tensor);
}

/// The node becomes an activation of `x`; `parameters` are in the order of its attributes.
void become_activation(DraftNode& node, Normalizer& normalizer, Value* x, const std::string& name,
                       const std::vector<float>& parameters) {
  auto parameter = [&](size_t i, float fallback) { return i < parameters.size() ? parameters[i] : fallback; };
  if (name.empty()) return become(node, "Identity", {x});
  if (name == "Relu" || name == "Sigmoid" || name == "Tanh") return become(node, name.c_str(), {x});
  if (name == "LeakyRelu") return become(node, "LeakyRelu", {x}, {{"alpha", parameter(0, 0.01f)}});
  if (name == "HardSigmoid")
    return become(node, "HardSigmoid", {x}, {{"alpha", parameter(0, 0.2f)}, {"beta", parameter(1, 0.5f)}});
  if (name != "Clip" || parameters.size() < 2)
    node.fail(fmt::format("has activation '{}' with {} parameters", name, parameters.size()),
              "take the model as it was before ONNX Runtime's optimizer");
  become(node, "Clip",
         {x, number(node, normalizer, "low", parameters[0], x->dtype()),
          number(node, normalizer, "high", parameters[1], x->dtype())});
}

/// x with its last two axes exchanged.
Value* exchanged(DraftNode& node, Normalizer& normalizer, const char* what, Value* x) {
  if (!x->shape().ranked || x->shape().rank() < 2)
    node.fail("transposes an input whose rank is not known", "run shape inference over the model first");
  std::vector<int64_t> perm;
  for (int i = 0; i < x->shape().rank(); ++i) perm.push_back(i);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return normalizer.add(node, what, "Transpose", {x}, {{"perm", perm}});
}

int64_t heads_of(DraftNode& node) {
  int64_t heads = node.take<int64_t>("num_heads").value_or(0);
  if (heads < 1) node.fail(fmt::format("has num_heads {}, expected at least 1", heads));
  return heads;
}

/// x cut on `axis` in three: equal parts, or parts of these sizes.
std::vector<Value*> parts_of(DraftNode& node, Normalizer& normalizer, const char* what, Value* x, int64_t axis,
                             const std::vector<int64_t>& sizes) {
  auto split = make_op("", "Split");
  std::vector<Value*> inputs{x};
  if (sizes.empty()) set_attributes(*split, {{"axis", axis}, {"num_outputs", int64_t{3}}});
  else set_attributes(*split, {{"axis", axis}}), inputs.push_back(normalizer.integers(node, "sizes", sizes));
  Node* parts = normalizer.graph.add(std::move(split), inputs, node.name + "_" + what, 3);
  return {parts->output(0), parts->output(1), parts->output(2)};
}

/// What Attention takes as its mask: `bias` where the keys count ([batch, keys] or more, 1 says that one does).
Value* joined_mask(DraftNode& node, Normalizer& normalizer, Value* keys, Value* bias) {
  if (!keys) return bias;
  if (!keys->shape().ranked || keys->shape().rank() < 2 || keys->shape().rank() > 4)
    node.fail("has a mask of lengths", "export the model with a mask of one number a key");
  Value* mask = normalizer.add(node, "mask", "Cast", {keys}, {{"to", int64_t{9}}});
  // [batch, keys] or [batch, queries, keys], for all heads.
  if (mask->shape().rank() < 4) {
    std::vector<int64_t> axes{1};
    if (mask->shape().rank() == 2) axes.push_back(2);
    mask = normalizer.add(node, "mask4", "Unsqueeze", {mask, normalizer.integers(node, "axes", axes)});
  }
  if (!bias) return mask;
  Value* hidden = number(node, normalizer, "hidden", -std::numeric_limits<float>::infinity(), bias->dtype());
  return normalizer.add(node, "masked", "Where", {mask, bias, hidden});
}

/// The node becomes Attention over q, k, v [batch, steps, heads * size].
void become_attention(DraftNode& node, std::vector<Value*> inputs, int64_t heads) {
  Attributes attributes{{"q_num_heads", heads},
                        {"kv_num_heads", heads},
                        {"is_causal", node.take<int64_t>("unidirectional").value_or(0)}};
  if (auto scale = node.take<float>("scale"); scale && *scale != 0) attributes["scale"] = *scale;
  while (!inputs.back()) inputs.pop_back();
  become(node, "Attention", std::move(inputs), std::move(attributes));
}

}  // namespace

/// Inputs: x, bias (optional).
void fast_gelu(DraftNode& node, Normalizer& normalizer) {
  Value* x = required(node, 0);
  if (Value* bias = node.input(1)) x = normalizer.add(node, "biased", "Add", {x, bias});
  become(node, "Gelu", {x}, {{"approximate", std::string("tanh")}});
}

void bias_gelu(DraftNode& node, Normalizer& normalizer) {
  become(node, "Gelu", {normalizer.add(node, "biased", "Add", {required(node, 0), required(node, 1)})});
}

void quick_gelu(DraftNode& node, Normalizer& normalizer) {
  if (!node.attributes.count("alpha")) node.attributes["alpha"] = 1.702f;
  swish_product(node, normalizer);
}

/// Inputs: x, w, bias, z (optional: what is added before the activation).
void fused_conv(DraftNode& node, Normalizer& normalizer) {
  auto activation = node.take<std::string>("activation").value_or("");
  auto parameters = node.take<std::vector<float>>("activation_params").value_or(std::vector<float>());
  std::vector<Value*> inputs{required(node, 0), required(node, 1)};
  if (Value* bias = node.input(2)) inputs.push_back(bias);
  Value* y = normalizer.add(node, "conv", "Conv", inputs, node.attributes);
  if (Value* z = node.input(3)) y = normalizer.add(node, "sum", "Add", {y, z});
  become_activation(node, normalizer, y, activation, parameters);
}

void fused_gemm(DraftNode& node, Normalizer& normalizer) {
  auto activation = node.take<std::string>("activation").value_or("");
  std::vector<float> parameters;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (auto value = node.take<float>(name)) parameters.push_back(*value);
  Value* y = normalizer.add(node, "gemm", "Gemm", node.inputs, node.attributes);
  become_activation(node, normalizer, y, activation, parameters);
}

void fused_matmul(DraftNode& node, Normalizer& normalizer) {
  Value *a = required(node, 0), *b = required(node, 1);
  for (const char* name : {"transBatchA", "transBatchB"})
    if (node.take<int64_t>(name).value_or(0) != 0)
      node.fail(fmt::format("has {} set, which is not supported", name),
                "take the model as it was before ONNX Runtime's optimizer");
  if (node.take<int64_t>("transA").value_or(0) != 0) a = exchanged(node, normalizer, "a", a);
  if (node.take<int64_t>("transB").value_or(0) != 0) b = exchanged(node, normalizer, "b", b);
  float alpha = node.take<float>("alpha").value_or(1);
  if (alpha == 1) return become(node, "MatMul", {a, b});
  Value* product = normalizer.add(node, "product", "MatMul", {a, b});
  become(node, "Mul", {product, number(node, normalizer, "alpha", alpha, a->dtype())});
}

/// Inputs: x, skip, scale, bias of the normalization (optional), bias of the sum (optional). Output 3 is the sum.
void skip_layer_norm(DraftNode& node, Normalizer& normalizer) {
  std::vector<Value*> inputs{required(node, 0), required(node, 2)};
  inputs[0] = normalizer.add(node, "sum", "Add", {inputs[0], required(node, 1)});
  if (Value* bias = node.input(4)) inputs[0] = normalizer.add(node, "biased", "Add", {inputs[0], bias});
  if (Value* bias = node.input(3)) inputs.push_back(bias);
  if (node.outputs.size() > 3) {
    if (!node.outputs[3].empty()) node.ready.emplace_back(3, inputs[0]);
    node.outputs.resize(3);
    while (node.outputs.size() > 1 && node.outputs.back().empty()) node.outputs.pop_back();
  }
  become(node, "LayerNormalization", inputs, {{"epsilon", node.take<float>("epsilon").value_or(1e-12f)}});
}

/// Inputs: q, k, v, bias of all three (optional), mask of keys, bias of scores, past_key, past_value.
void multi_head_attention(DraftNode& node, Normalizer& normalizer) {
  int64_t heads = heads_of(node);
  std::vector<Value*> inputs{required(node, 0), node.input(1), node.input(2)};
  if (!inputs[1] || !inputs[2]) node.fail("has q, k and v in one input, which is not supported");
  for (size_t i = 8; i < node.inputs.size(); ++i)
    if (node.inputs[i]) node.fail(fmt::format("has input {} (a shared cache), which is not supported", i));
  if (Value* bias = node.input(3)) {
    std::vector<int64_t> sizes;
    for (Value* x : inputs) {
      if (!x->shape().ranked || x->shape().rank() != 3 || !x->shape()[2].known())
        node.fail("has a bias for inputs of a size that is not known", "run shape inference over the model first");
      sizes.push_back(x->shape()[2].value);
    }
    std::vector<Value*> parts = parts_of(node, normalizer, "bias", bias, 0, sizes);
    for (size_t i = 0; i < 3; ++i) inputs[i] = normalizer.add(node, "biased", "Add", {inputs[i], parts[i]});
  }
  inputs.push_back(joined_mask(node, normalizer, node.input(4), node.input(5)));
  inputs.insert(inputs.end(), {node.input(6), node.input(7)});
  become_attention(node, std::move(inputs), heads);
}

/// Inputs: x [batch, steps, size], w for q, k and v, bias, mask of keys, past, bias of scores.
void packed_attention(DraftNode& node, Normalizer& normalizer) {
  int64_t heads = heads_of(node);
  auto sizes = node.take<std::vector<int64_t>>("qkv_hidden_sizes").value_or(std::vector<int64_t>());
  if (!sizes.empty() && sizes.size() != 3)
    node.fail(fmt::format("has {} qkv_hidden_sizes, expected 3", sizes.size()));
  if (node.take<int64_t>("do_rotary").value_or(0) != 0)
    node.fail("rotates q and k (do_rotary), which is not supported");
  if (node.input(4)) node.fail("has a past, which is not supported", "export the model without past keys and values");
  Value* qkv = normalizer.add(node, "qkv", "MatMul", {required(node, 0), required(node, 1)});
  if (Value* bias = node.input(2)) qkv = normalizer.add(node, "biased", "Add", {qkv, bias});
  std::vector<Value*> inputs = parts_of(node, normalizer, "parts", qkv, 2, sizes);
  inputs.push_back(joined_mask(node, normalizer, node.input(3), node.input(5)));
  become_attention(node, std::move(inputs), heads);
}

}  // namespace hone::onnx
