#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/fused/packed_matmul.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/conv_transpose.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/mat_mul.hpp"
#include "graph/ops/quant/dequantize_linear.hpp"
#include "tensor/int4.hpp"

namespace hone {

namespace {

using ops::Fused;

bool is_compute(const Node& node) {
  if (node.output()->dtype() != DType::f32) return false;
  if (node.as<ops::Conv>() || node.as<ops::ConvTranspose>() || node.as<ops::Gemm>()) return true;
  if (!node.as<ops::MatMul>()) return false;
  // Products of two tensors that are made while running have a kernel of their own.
  const Node* weights = node.input(1)->producer();
  return node.input(1)->is_constant() ||
         (weights && weights->is("DequantizeLinear") && weights->input(0)->is_constant());
}

/// Where output channels lie in the weights.
int64_t weight_axis(const Node& node) {
  if (node.as<ops::Conv>()) return 0;
  if (const auto* gemm = node.as<ops::Gemm>()) return gemm->transB ? 0 : 1;
  return 1;  // ConvTranspose [C, M / group, ...]; MatMul [K, N]
}

/// Inputs and quantization of the compute node itself; false when its inputs cannot be understood as integers or
/// floats.
void take_inputs(Graph& graph, Node& node, Fused& fused, std::vector<Value*>& inputs) {
  inputs = node.inputs();
  auto x = dequantized_from(node.input(0));
  auto w = dequantized_weights(node.input(1), weight_axis(node));
  // The integer kernels have no grouped transposed convolution, and Gemm's factors only in their simple form.
  const auto* gemm = node.as<ops::Gemm>();
  bool integer_form =
      !node.as<ops::ConvTranspose>() && (!gemm || (gemm->alpha == 1 && gemm->beta == 1 && !gemm->transA));
  if (x && w && integer_form) {
    inputs[0] = x->value;
    inputs[1] = w->value;
    fused.in = {x->params};
    fused.weight_scales = w->scales;
  } else if (!node.input(1)->is_constant()) {
    if (auto floats = constant_floats(node.input(1))) inputs[1] = graph.add_constant(node.name + "/weight", *floats);
  }
  if (inputs.size() > 2 && inputs[2] && !inputs[2]->is_constant())
    if (auto floats = constant_floats(inputs[2])) inputs[2] = graph.add_constant(node.name + "/bias", *floats);
}

/// A product of floats with weights that are stored as integers computes with them as they are. False: it is no such
/// product.
bool take_packed_weights(const Node& node, Fused& fused, std::vector<Value*>& inputs) {
  const auto* gemm = node.as<ops::Gemm>();
  const Node* stored = node.input(1)->producer();
  const auto* op = stored ? stored->as<ops::DequantizeLinear>() : nullptr;
  if (!op || node.as<ops::Conv>() || node.as<ops::ConvTranspose>() || stored->output()->dtype() != DType::f32)
    return false;
  if (gemm && (gemm->alpha != 1 || gemm->beta != 1 || gemm->transA)) return false;
  const Value *w = stored->input(0), *scale = stored->input(1), *zero = stored->input(2);
  if (!w->is_constant() || !scale->is_constant() || (zero && !zero->is_constant()) || w->shape().rank() != 2)
    return false;
  if (w->dtype() != DType::i8 && w->dtype() != DType::u8 && !is_4_bit(w->dtype())) return false;
  const bool transposed = gemm && gemm->transB;
  const int64_t axis = op->axis < 0 ? op->axis + 2 : op->axis, depth_axis = transposed ? 1 : 0;
  if (op->block_size > 0 ? axis != depth_axis : scale->constant().size() != 1 && axis == depth_axis) return false;
  const int64_t channels = w->constant().dim(static_cast<int>(1 - depth_axis));
  const Value* bias = node.input(2);
  if (bias &&
      (!bias->is_constant() || (bias->constant().size() != 1 && bias->constant().dim(-1) != bias->constant().size())))
    return false;
  if (bias && bias->constant().size() != 1 && bias->constant().size() != channels) return false;
  auto inner = std::make_shared<ops::PackedMatMul>();
  inner->transposed = transposed, inner->axis = axis, inner->block_size = op->block_size;
  fused.inner = std::move(inner);
  inputs = {node.input(0), stored->input(0), node.input(2), stored->input(1)};
  if (zero) inputs.push_back(stored->input(2));
  return true;
}

/// Follows the single-use chain behind `node` and records what the kernel can do on its way out.
class Epilogue {
 public:
  Epilogue(Graph& graph, Fused& fused, Node* node) : graph_(graph), fused_(fused), last_(node) {}

  void absorb() {
    while (Node* next = single_user(graph_, last_->output()))
      if (!take(*next)) break;
    // The sum is done in the type of the result: an 8-bit residual goes with an 8-bit result only.
    if (residual_ && fused_.residual.quantized() && !fused_.out.quantized()) {
      residual_ = dequantized_residual_;
      fused_.residual = {};
    }
  }
  Node* last() const { return last_; }
  Value* residual() const { return residual_; }

 private:
  bool take(Node& next) {
    if (!fused_.out_factors.empty() && !next.is("QuantizeLinear")) return false;
    if (next.is("Mul")) return take_factors(next);
    ops::FusedActivation activation;
    if (next.input(0) == last_->output() && ops::fusable_activation(next, activation)) {
      auto& slot = residual_ ? fused_.act2 : fused_.act;
      if (!slot.empty()) return false;
      slot = activation;
      last_ = &next;
      return true;
    }
    if (next.is("Add")) return take_residual(next);
    if (auto params = quantize_params(next)) {
      bool integer = !fused_.weight_scales.empty() && !(residual_ && !fused_.residual.quantized());
      if (!integer) return false;
      if (take_add_behind_quantization(next)) return true;
      fused_.out = *params;
      fused_.out_dtype = next.output()->dtype();
      last_ = &next;
    }
    return false;
  }

  /// A constant factor for each channel, as quantization puts between an activation and a depthwise convolution.
  bool take_factors(Node& mul) {
    if (std::string_view(fused_.inner->type()) != "Conv" || mul.inputs().size() != 2) return false;
    Value* other = mul.input(0) == last_->output() ? mul.input(1) : mul.input(0);
    const Shape& shape = last_->output()->shape();
    if (!other->is_constant() || other->dtype() != DType::f32 || shape.rank() != 4 || !shape[1].known()) return false;
    Dims dims = other->constant().dims();
    while (dims.size() < 4) dims.insert(dims.begin(), 1);
    Node* next = single_user(graph_, mul.output());
    if (dims != Dims{1, shape[1].value, 1, 1} || fused_.weight_scales.empty() || residual_ || !next ||
        !quantize_params(*next))
      return false;
    fused_.out_factors = other->constant().to_floats();
    last_ = &mul;
    return true;
  }

  bool take_residual(Node& add) {
    if (residual_ || add.inputs().size() != 2 || add.input(0) == add.input(1)) return false;
    Value* other = add.input(0) == last_->output() ? add.input(1) : add.input(0);
    if (other->is_constant() || !(other->type == last_->output()->type) || !other->shape().is_static()) return false;
    residual_ = dequantized_residual_ = other;
    if (auto quantized = dequantized_from(other)) {
      residual_ = quantized->value;
      fused_.residual = quantized->params;
    }
    fused_.has_residual = true;
    fused_.residual_first = other == add.input(0);
    last_ = &add;
    return true;
  }

  /// conv -> Quantize -> Dequantize -> Add, each used once: the sum is of the rounded result, as the file says.
  /// (Runtimes that leave the rounding out differ in the class of one photo in twenty.)
  bool take_add_behind_quantization(Node& quantize) {
    if (residual_) return false;
    Node* dequantize = single_user(graph_, quantize.output());
    if (!dequantize || !dequantized_from(dequantize->output())) return false;
    Node* add = single_user(graph_, dequantize->output());
    if (!add || !add->is("Add") || add->inputs().size() != 2) return false;
    Value* other = add->input(0) == dequantize->output() ? add->input(1) : add->input(0);
    if (!dequantized_from(other)) return false;
    Node* before = last_;
    last_ = dequantize;
    if (take_residual(*add)) {
      fused_.rounded = dequantized_from(dequantize->output())->params;
      fused_.rounded_dtype = quantize.output()->dtype();
      return true;
    }
    last_ = before;
    return false;
  }

  Graph& graph_;
  Fused& fused_;
  Node* last_;
  Value* residual_ = nullptr;
  Value* dequantized_residual_ = nullptr;
};

void fuse(Graph& graph, Node* node) {
  auto fused = std::make_unique<Fused>();
  std::vector<Value*> inputs;
  const bool integers = dequantized_from(node->input(0)) && dequantized_weights(node->input(1), weight_axis(*node));
  if (integers || !take_packed_weights(*node, *fused, inputs)) {
    take_inputs(graph, *node, *fused, inputs);
    fused->inner = node->op().clone();
  }
  fused->inner_inputs = static_cast<int64_t>(inputs.size());
  Epilogue epilogue(graph, *fused, node);
  epilogue.absorb();
  if (epilogue.residual()) inputs.push_back(epilogue.residual());
  Value* old = epilogue.last()->output();
  Node* made = graph.insert_before(epilogue.last(), std::move(fused), std::move(inputs), node->name + "/fused");
  graph.replace_uses(old, made->output());
}

}  // namespace

void fuse_compute(Graph& graph) {
  // The last of two convolutions that meet in an Add takes the Add in; walking backwards finds it first.
  std::vector<Node*> nodes = graph.node_list();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it)
    if (is_compute(**it) && graph.use_count((*it)->output()) > 0) fuse(graph, *it);
  graph.remove_dead();
}

}  // namespace hone
