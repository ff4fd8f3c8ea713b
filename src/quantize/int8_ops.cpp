#include "quantize/int8_ops.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "graph/ops/fused/fused.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/shape/pad.hpp"

namespace hone {

namespace {

bool is_one_of(const Node& node, std::initializer_list<const char*> types) {
  return std::any_of(types.begin(), types.end(), [&](const char* type) { return node.is(type); });
}

bool is_arithmetic(const Node& node) { return is_one_of(node, {"Add", "Sub", "Mul"}); }

std::string why_not_layer(const Node& node) {
  bool product = node.is("MatMul");
  if (!product && !constant_f32(node.input(1)) && !(node.is("Gemm") && !node.input(1)->is_constant()))
    return "its weights are not f32 constants";
  if (node.is("Conv") || node.is("ConvTranspose")) {
    const Value* bias = node.input(2);
    if (bias && !constant_f32(bias)) return "its bias is not an f32 constant";
  }
  for (const Value* input : node.inputs())
    if (input && input->dtype() != DType::f32)
      return fmt::format("input '{}' is {}, expected f32", input->name, name_of(input->dtype()));
  return activation_inputs(node).empty() ? "all its inputs are constant" : "";
}

std::string why_not_follower(const Node& node) {
  for (const Value* output : node.outputs())
    if (output->dtype() != DType::f32 && !(output->uses().empty()))
      return fmt::format("output '{}' is {}, expected f32", output->name, name_of(output->dtype()));
  auto inputs = activation_inputs(node);
  if (inputs.empty()) return "it has no f32 activation as input";
  if (keeps_scale(node) && !node.is("Concat") && inputs.size() != 1) return "it mixes several activations";
  if (is_arithmetic(node))
    for (const Value* input : node.inputs())
      if (input->dtype() != DType::f32) return fmt::format("input '{}' is {}", input->name, name_of(input->dtype()));
  return "";
}

bool is_follower_type(const Node& node) {
  ops::FusedActivation activation;
  return keeps_scale(node) || ops::fusable_activation(node, activation) || is_arithmetic(node) ||
         is_one_of(node, {"AveragePool", "GlobalAveragePool"}) || (node.is("PRelu") && constant_f32(node.input(1)));
}

// The index of the constant operand of a binary node whose other operand is `value`; -1 when there is none.
int constant_beside(const Node& node, const Value* value) {
  if (node.inputs().size() != 2) return -1;
  int index = node.input(0) == value ? 1 : node.input(1) == value ? 0 : -1;
  return index >= 0 && constant_f32(node.input(static_cast<size_t>(index))) ? index : -1;
}

// Broadcasting the constant against the other operand leaves that one's rank alone.
bool keeps_rank(const Node& node, int constant) {
  return node.input(static_cast<size_t>(constant))->constant().rank() <=
         node.input(static_cast<size_t>(1 - constant))->shape().rank();
}

// Multiplies each channel of `value`, [N, C, H, W], by a constant.
bool is_channel_factor(const Node& node, const Value* value) {
  int index = node.is("Mul") ? constant_beside(node, value) : -1;
  if (index < 0 || value->shape().rank() != 4 || !value->shape()[1].known()) return false;
  const Tensor& factor = node.input(static_cast<size_t>(index))->constant();
  return factor.rank() >= 3 && factor.rank() <= 4 && factor.dim(-3) == value->shape()[1].value &&
         factor.size() == factor.dim(-3);
}

// True for what align_depthwise_inputs() adds: elsewhere the product goes with the Add behind it.
bool feeds_depthwise(const Node& node) {
  auto grouped = [](const Use& use) {
    const auto* conv = use.node->as<ops::Conv>();
    return conv && conv->group > 1;
  };
  const auto& uses = node.output()->uses();
  return !uses.empty() && std::all_of(uses.begin(), uses.end(), grouped);
}

}  // namespace

bool constant_f32(const Value* value) { return value && value->is_constant() && value->dtype() == DType::f32; }

bool is_layer_type(const Node& node) { return is_one_of(node, {"Conv", "ConvTranspose", "Gemm", "MatMul"}); }

bool keeps_scale(const Node& node) {
  if (const auto* resize = node.as<ops::Resize>())
    return resize->mode != "cubic" && resize->coordinate_transformation_mode != "tf_crop_and_resize";
  if (const auto* pad = node.as<ops::Pad>()) {
    // A constant other than 0 may lie outside of the range of x.
    const Value* fill = node.input(2);
    bool zero = !fill || (constant_f32(fill) && fill->constant().to_floats() == std::vector<float>{0});
    return pad->mode != "constant" || zero;
  }
  return node.has(Trait::scale_preserving) || node.has(Trait::view);
}

Int8Verdict int8_form(const Node& node) {
  if (is_layer_type(node)) {
    std::string reason = why_not_layer(node);
    return {reason.empty() ? Int8Form::layer : Int8Form::none, reason};
  }
  if (!is_follower_type(node)) return {Int8Form::none, fmt::format("{} has no int8 form", node.op().type())};
  std::string reason = why_not_follower(node);
  return {reason.empty() ? Int8Form::follower : Int8Form::none, reason};
}

std::vector<size_t> activation_inputs(const Node& node) {
  bool all = is_arithmetic(node) || is_one_of(node, {"Concat", "MatMul"});
  size_t count = all ? node.inputs().size() : node.is("Gemm") ? 2 : 1;
  // Ops that copy elements may take several activations (Where); they are refused, not misread.
  if (!all && keeps_scale(node)) count = node.inputs().size();
  std::vector<size_t> inputs;
  for (size_t i = 0; i < std::min(count, node.inputs().size()); ++i) {
    const Value* value = node.input(i);
    if (value && !value->is_constant() && value->dtype() == DType::f32) inputs.push_back(i);
  }
  return inputs;
}

bool is_activation_input(const Node& node, int index) {
  auto inputs = activation_inputs(node);
  return std::find(inputs.begin(), inputs.end(), static_cast<size_t>(index)) != inputs.end();
}

std::vector<size_t> constant_operands(const Node& node) {
  std::vector<size_t> inputs;
  if (is_arithmetic(node) || node.is("Concat"))
    for (size_t i = 0; i < node.inputs().size(); ++i)
      if (constant_f32(node.input(i))) inputs.push_back(i);
  return inputs;
}

int weight_axis(const Node& node) {
  const Value* weights = node.input(1);
  int rank = weights->constant().rank();
  if (node.is("Conv")) return 0;
  if (node.is("ConvTranspose")) return 1;
  if (const auto* gemm = node.as<ops::Gemm>()) return gemm->transB ? 0 : 1;
  return rank == 2 ? 1 : -1;
}

int bias_index(const Node& add, const Node& layer) {
  if (!layer.is("MatMul") || !add.is("Add") || !constant_f32(layer.input(1))) return -1;
  int index = constant_beside(add, layer.output());
  if (index < 0 || !keeps_rank(add, index)) return -1;
  const Tensor& bias = add.input(static_cast<size_t>(index))->constant();
  bool along_columns = bias.rank() > 0 && bias.dim(-1) == bias.size();
  return along_columns && bias.size() == layer.input(1)->constant().dim(-1) ? index : -1;
}

std::vector<Node*> fused_tail(const Graph& graph, const Node& head,
                              const std::function<bool(const Node&)>& keep_apart) {
  std::vector<Node*> tail;
  auto next = [&]() -> Node* {
    const Value* output = (tail.empty() ? head : *tail.back()).output();
    if (graph.use_count(output) != 1 || output->uses().size() != 1) return nullptr;
    Node* user = output->uses()[0].node;
    return keep_apart(*user) ? nullptr : user;
  };
  if (!is_layer_type(head) && !is_arithmetic(head)) return tail;
  Node* user = next();
  bool scaled = head.is("Mul") && !constant_operands(head).empty();
  if (user && (bias_index(*user, head) >= 0 ||
               (scaled && user->is("Add") && constant_beside(*user, head.output()) >= 0 &&
                keeps_rank(*user, constant_beside(*user, head.output()))))) {
    tail.push_back(user);
    user = next();
  }
  ops::FusedActivation activation;
  if (user && ops::fusable_activation(*user, activation)) {
    tail.push_back(user);
    user = next();
    if (user && head.is("Conv") && is_channel_factor(*user, tail.back()->output()) && feeds_depthwise(*user))
      tail.push_back(user);
  }
  return tail;
}

}  // namespace hone
