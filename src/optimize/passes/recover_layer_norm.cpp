// d / sqrt(mean(d^2) + epsilon), d = x - mean(x), means over the last axes => layer_norm(x, 1)
// layer_norm(x, 1) * c => layer_norm(x, c)        layer_norm(x, s) + c => layer_norm(x, s, c)
#include <algorithm>

#include "graph/ops/nn/normalization/layer_normalization.hpp"
#include "graph/ops/reduce/reduction.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

/// The first axis that a mean over the last axes of its input, with keepdims, is over.
std::optional<int64_t> last_axes(const Node* mean) {
  const auto* op = mean ? mean->as<ops::Reduction>() : nullptr;
  if (!op || !mean->is("ReduceMean") || !op->keepdims || !mean->input(0)->shape().ranked) return std::nullopt;
  auto axes = op->reduced_axes(*mean);
  size_t rank = static_cast<size_t>(mean->input(0)->shape().rank());
  if (!axes || axes->empty() || axes->back() + 1 != rank || axes->back() - axes->front() + 1 != axes->size())
    return std::nullopt;
  return static_cast<int64_t>(axes->front());
}

/// x when `value` is x^2 or x * x.
Value* squared(const Value* value) {
  if (Node* power = made_by(value, "Pow")) {
    auto exponent = scalar_beside(power->input(1), power->input(0));
    return exponent && *exponent == 2 ? power->input(0) : nullptr;
  }
  Node* product = made_by(value, "Mul");
  return product && product->input(0) == product->input(1) ? product->input(0) : nullptr;
}

/// The node's other input when one is `value`.
Value* other_input(const Node& node, const Value* value) {
  if (node.inputs().size() != 2) return nullptr;
  return node.input(0) == value ? node.input(1) : node.input(1) == value ? node.input(0) : nullptr;
}

/// Sizes from `axis` on, when they are all known.
std::optional<Dims> normalized_dims(const Value* x, int64_t axis) {
  Dims dims;
  for (size_t i = static_cast<size_t>(axis); i < x->shape().dims.size(); ++i) {
    if (!x->shape()[i].known()) return std::nullopt;
    dims.push_back(x->shape()[i].value);
  }
  return dims;
}

bool from_formula(Graph& graph, Node* root) {
  if (!root->is("Div") || !is_float(root->output()->dtype())) return false;
  Node *sqrt = made_by(root->input(1), "Sqrt"), *add = sqrt ? made_by(sqrt->input(0), "Add") : nullptr;
  if (!add) return false;
  size_t side = add->input(0)->is_constant() ? 1 : 0;
  auto epsilon = scalar_beside(add->input(1 - side), add->input(side));
  Node* variance = made_by(add->input(side), "ReduceMean");
  auto axis = last_axes(variance);
  Value* centered = axis ? squared(variance->input(0)) : nullptr;
  if (!epsilon || !centered || centered != root->input(0)) return false;
  Node* subtract = made_by(centered, "Sub");
  Node* mean = subtract ? made_by(subtract->input(1), "ReduceMean") : nullptr;
  if (!mean || mean->input(0) != subtract->input(0) || last_axes(mean) != axis) return false;
  Value* x = subtract->input(0);
  auto dims = normalized_dims(x, *axis);
  std::set<const Node*> nodes{root, sqrt, add, variance, variance->input(0)->producer(), subtract, mean};
  if (!dims || !used_only_inside(graph, nodes, root)) return false;
  std::vector<double> ones(static_cast<size_t>(element_count(*dims)), 1.0);
  Value* scale = graph.add_constant(root->name + "/scale", tensor_of(x->dtype(), *dims, ones));
  become(graph, root, new_op("LayerNormalization", {{"axis", *axis}, {"epsilon", static_cast<float>(*epsilon)}}),
         {x, scale});
  return true;
}

/// The constant as one number for each normalized element; nullopt when it varies along other axes.
std::optional<std::vector<double>> spread(const Value* constant, const Dims& dims, int rank) {
  if (!constant || !constant->is_constant() || constant->constant().rank() > rank) return std::nullopt;
  Dims own = constant->constant().dims();
  while (own.size() > dims.size() && own.front() == 1) own.erase(own.begin());
  if (own.size() > dims.size() || broadcast(own, dims) != dims) return std::nullopt;
  Graph graph;
  Value* small = graph.add_constant("small", constant->constant().reshaped(own).cast(DType::f64));
  Node* node = graph.add(
      new_op("Mul"),
      {small,
       graph.add_constant(
           "ones", tensor_of(DType::f64, dims, std::vector<double>(static_cast<size_t>(element_count(dims)), 1.0)))});
  const Tensor* inputs[] = {&node->input(0)->constant(), &node->input(1)->constant()};
  Tensor full = evaluate_node(*node, inputs)[0];
  return std::vector<double>(full.data<double>().begin(), full.data<double>().end());
}

/// Takes the Mul or Add that follows into the scale or bias.
bool absorb(Graph& graph, Node* norm) {
  const auto* op = norm->as<ops::LayerNormalization>();
  if (!op || norm->outputs().size() != 1 || norm->input(2) || !norm->input(0)->shape().ranked) return false;
  Node* user = single_user(graph, norm->output());
  if (!user || (!user->is("Mul") && !user->is("Add"))) return false;
  int rank = norm->input(0)->shape().rank();
  int64_t axis = op->axis < 0 ? op->axis + rank : op->axis;
  auto dims = normalized_dims(norm->input(0), axis);
  auto factor = dims ? spread(other_input(*user, norm->output()), *dims, rank) : std::nullopt;
  auto scale = dims ? spread(norm->input(1), *dims, rank) : std::nullopt;
  if (!factor || !scale) return false;
  DType dtype = norm->input(1)->dtype();
  if (user->is("Mul")) {
    for (size_t i = 0; i < scale->size(); ++i) (*scale)[i] *= (*factor)[i];
    set_constant_input(graph, norm, 1, tensor_of(dtype, *dims, *scale), norm->name + "/scale");
  } else {
    graph.set_input(norm, 2, graph.add_constant(norm->name + "/bias", tensor_of(dtype, *dims, *factor)));
  }
  bypass(graph, user, norm->output());
  infer_node(*norm);
  return true;
}

struct RecoverLayerNorm : Sweep {
  const char* name() const override { return "recover_layer_norm"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (graph.use_count(node->output()) == 0 || node->op().domain()[0] != '\0') continue;
      changed |= from_formula(graph, node);
      while (absorb(graph, node)) changed = true;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_layer_norm() { return std::make_unique<RecoverLayerNorm>(); }

}  // namespace hone::passes
