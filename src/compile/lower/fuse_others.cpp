#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"

namespace hone {

namespace {

using ops::Fused;

/// Arithmetic of two tensors. (Max and Min may have other numbers of inputs.)
bool is_binary(const Node& node) {
  static const char* const types[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
  for (const char* type : types)
    if (node.is(type)) return true;
  return false;
}

/// Ops that have integer kernels when all inputs and the output are quantized.
bool has_integer_form(const Node& node) {
  static const char* const types[] = {
      "Add",    "Sub",         "Mul",               "Div",    "Max",   "Min",
      "Concat", "AveragePool", "GlobalAveragePool", "Resize", "PRelu", "Softmax"};
  for (const char* type : types)
    if (node.is(type)) return true;
  ops::FusedActivation activation;
  return ops::fusable_activation(node, activation);
}

/// op(dq(x)) => dq(op(x)) for ops that only move values.
bool move_quantized(Graph& graph, Node* node) {
  // Padding adds a value of its own, which would have to be quantized; several data inputs need one scale.
  if (!node->has(Trait::scale_preserving) || node->is("Pad") || node->is("Concat") || node->outputs().size() != 1)
    return false;
  auto x = dequantized_from(node->input(0));
  if (!x) return false;
  std::vector<Value*> inputs = node->inputs();
  Node* dequantize = node->input(0)->producer();
  std::vector<Value*> parameters(dequantize->inputs().begin() + 1, dequantize->inputs().end());
  inputs[0] = x->value;
  Node* moved = graph.insert_before(node, node->op().clone(), inputs, node->name + "/quantized");
  std::vector<Value*> arguments{moved->output()};
  arguments.insert(arguments.end(), parameters.begin(), parameters.end());
  Node* after = graph.insert_before(node, dequantize->op().clone(), arguments, node->name + "/dequantize");
  graph.replace_uses(node->output(), after->output());
  return true;
}

/// dq -> q with the same parameters is nothing.
bool drop_requantization(Graph& graph, Node* node) {
  auto out = quantize_params(*node);
  if (!out) return false;
  auto in = dequantized_from(node->input(0));
  if (!in || !(in->params == *out) || in->value->dtype() != node->output()->dtype()) return false;
  graph.replace_uses(node->output(), in->value);
  return true;
}

/// q(act(op(dq(a), dq(b)))) => Fused.
bool fuse_integer(Graph& graph, Node* node) {
  if (!has_integer_form(*node) || node->output()->dtype() != DType::f32) return false;
  auto fused = std::make_unique<Fused>();
  std::vector<Value*> inputs = node->inputs();
  size_t data_inputs = is_binary(*node) || node->is("Concat") ? inputs.size() : 1;
  for (size_t i = 0; i < data_inputs; ++i) {
    auto x = dequantized_from(inputs[i]);
    if (!x) return false;
    fused->in.push_back(x->params);
    inputs[i] = x->value;
  }
  Node* next = single_user(graph, node->output());
  ops::FusedActivation activation;
  if (next && is_binary(*node) && next->input(0) == node->output() &&
      ops::fusable_activation(*next, activation)) {
    Node* behind = single_user(graph, next->output());
    if (behind && quantize_params(*behind)) {
      fused->act = activation;
      next = behind;
    }
  }
  auto out = next ? quantize_params(*next) : std::nullopt;
  if (!out) return false;
  fused->out = *out;
  fused->out_dtype = next->output()->dtype();
  fused->inner = node->op().clone();
  fused->inner_inputs = static_cast<int64_t>(inputs.size());
  Node* made = graph.insert_before(next, std::move(fused), std::move(inputs), node->name + "/fused");
  graph.replace_uses(next->output(), made->output());
  return true;
}

/// The numbers of a constant that is one a channel of `x` [N, C, H, W]; nullptr otherwise.
const Tensor* per_channel(const Value* constant, const Value* x) {
  if (!constant || !constant->is_constant() || constant->dtype() != DType::f32) return nullptr;
  const Dims& dims = constant->constant().dims();
  size_t rank = dims.size();
  if (rank < 3 || rank > 4 || !x->shape().is_static() || x->shape().rank() != 4) return nullptr;
  bool fits = dims[rank - 3] == x->shape()[1].value && dims[rank - 3] == constant->constant().size();
  return fits ? &constant->constant() : nullptr;
}

/// q(act(dq(x) * a + b)), numbers a channel => Fused BatchNormalization with mean 0 and variance 1.
bool fuse_affine(Graph& graph, Node* node) {
  if (!node->is("Mul") || node->output()->dtype() != DType::f32) return false;
  size_t at = node->input(0)->is_constant() ? 1 : 0;
  const Tensor* scale = per_channel(node->input(1 - at), node->input(at));
  Node* add = scale ? single_user(graph, node->output()) : nullptr;
  if (!add || !add->is("Add") || add->input(0) == add->input(1)) return false;
  const Tensor* shift = per_channel(add->input(add->input(0) == node->output() ? 1 : 0), node->input(at));
  if (!shift) return false;
  auto fused = std::make_unique<Fused>();
  fused->inner = new_op("BatchNormalization", {{"epsilon", 0.0f}});
  fused->inner_inputs = 5;
  Node* last = add;
  Node* next = single_user(graph, last->output());
  ops::FusedActivation activation;
  if (next && next->input(0) == last->output() && ops::fusable_activation(*next, activation)) {
    fused->act = activation;
    last = next;
    next = single_user(graph, last->output());
  }
  Value* x = node->input(at);
  auto from = dequantized_from(x);
  auto to = next ? quantize_params(*next) : std::nullopt;
  if (from && to) {
    fused->in = {from->params};
    x = from->value;
    fused->out = *to;
    fused->out_dtype = next->output()->dtype();
    last = next;
  }
  int64_t channels = scale->size();
  auto list = [&](const Tensor& values) {
    return graph.add_constant(node->name + "/affine", values.reshaped({channels}));
  };
  std::vector<float> ones(static_cast<size_t>(channels), 1.0f);
  Value* variance = graph.add_constant(node->name + "/variance", Tensor::of<float>({channels}, ones));
  Value* mean = graph.add_constant(node->name + "/mean", Tensor::zeros(DType::f32, {channels}));
  Node* made = graph.insert_before(last, std::move(fused), {x, list(*scale), list(*shift), mean, variance},
                                   node->name + "/affine");
  graph.replace_uses(last->output(), made->output());
  return true;
}

/// act(a + b) => Fused, in f32.
bool fuse_float(Graph& graph, Node* node) {
  if (!is_binary(*node) || node->inputs().size() != 2 || node->output()->dtype() != DType::f32) return false;
  Node* next = single_user(graph, node->output());
  ops::FusedActivation activation;
  if (!next || next->input(0) != node->output() || !ops::fusable_activation(*next, activation)) return false;
  auto fused = std::make_unique<Fused>();
  fused->inner = node->op().clone();
  fused->inner_inputs = static_cast<int64_t>(node->inputs().size());
  fused->act = activation;
  Node* made = graph.insert_before(next, std::move(fused), node->inputs(), node->name + "/fused");
  graph.replace_uses(next->output(), made->output());
  return true;
}

}  // namespace

void fuse_others(Graph& graph) {
  for (Node* node : graph.node_list()) {
    if (node->outputs().empty() || graph.use_count(node->output()) == 0) continue;
    move_quantized(graph, node) || drop_requantization(graph, node) || fuse_affine(graph, node) ||
        fuse_integer(graph, node) || fuse_float(graph, node);
  }
  // Moving a dequantization down can meet a quantization that was passed already.
  for (Node* node : graph.node_list()) drop_requantization(graph, node);
  graph.remove_dead();
}

}  // namespace hone
