#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/fused/integer_product.hpp"
#include "graph/ops/shape/cast.hpp"

// ConvInteger and MatMulInteger with what dynamic quantizers put behind them:
//   act(Cast(product) * (scale * factors) + bias)  =>  hone.Fused of IntegerConv or IntegerMatMul
namespace hone {

namespace {

using ops::Fused;

bool one_number(const Value* value) {
  return value && value->shape().is_static() && element_count(value->shape().concrete()) == 1;
}

/// The f32 numbers of a constant that broadcasts along `axis` only of a tensor of this shape: one, or one a position.
std::optional<std::vector<float>> along(const Value* value, const Shape& shape, size_t axis) {
  if (!value->is_constant() || value->dtype() != DType::f32) return std::nullopt;
  const Dims& dims = value->constant().dims();
  if (dims.size() > shape.rank()) return std::nullopt;
  const size_t missing = shape.rank() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != 1 && (i + missing != axis || !(shape[axis] == Dim(dims[i])))) return std::nullopt;
  return value->constant().to_floats();
}

/// a *= b for numbers a channel, where one stands for all.
void multiply(std::vector<float>& a, const std::vector<float>& b) {
  if (a.empty()) a = {1};
  if (a.size() == 1) a.resize(b.size(), a[0]);
  for (size_t i = 0; i < a.size(); ++i) a[i] *= b[b.size() == 1 ? 0 : i];
}

/// Follows the single-use chain behind a product.
class Chain {
 public:
  Chain(Graph& graph, Node* product, size_t axis)
      : graph_(graph), shape_(product->output()->shape()), axis_(axis), last_(product) {
    Node* cast = single_user(graph, product->output());
    if (!cast || !cast->as<ops::Cast>() || cast->output()->dtype() != DType::f32) {
      end.integers = true;
      return;
    }
    last_ = cast;
    while (Node* next = single_user(graph, last_->output()))
      if (!(next->output()->shape() == shape_) || !take(*next)) break;
  }

  ops::ProductEnd end;
  Value* scale = nullptr;
  ops::FusedActivation act;
  Node* last() const { return last_; }

 private:
  bool take(Node& next) {
    if (!act.empty()) return false;
    bool taken = next.is("Mul") ? take_factor(next) : next.is("Add") ? take_bias(next) : false;
    if (!taken) taken = next.input(0) == last_->output() && ops::fusable_activation(next, act);
    if (taken) last_ = &next;
    return taken;
  }

  Value* other_operand(const Node& node) const {
    if (node.inputs().size() != 2 || node.input(0) == node.input(1)) return nullptr;
    return node.input(0) == last_->output() ? node.input(1) : node.input(0);
  }

  bool take_factor(const Node& mul) {
    Value* other = other_operand(mul);
    if (!other || !end.bias.empty()) return false;
    if (auto numbers = along(other, shape_, axis_)) return multiply(end.factors, *numbers), true;
    if (scale || other->dtype() != DType::f32) return false;
    // The scale of x times the scales of w.
    const Node* product = other->producer();
    if (product && product->is("Mul") && product->inputs().size() == 2)
      for (size_t i = 0; i < 2; ++i) {
        Value *runtime = product->input(1 - i), *fixed = product->input(i);
        auto numbers =
            one_number(runtime) && runtime->dtype() == DType::f32 ? along(fixed, shape_, axis_) : std::nullopt;
        if (!numbers) continue;
        scale = runtime;
        return multiply(end.factors, *numbers), true;
      }
    if (!one_number(other)) return false;
    scale = other;
    return true;
  }

  bool take_bias(const Node& add) {
    Value* other = other_operand(add);
    auto numbers = other && end.bias.empty() ? along(other, shape_, axis_) : std::nullopt;
    if (numbers) end.bias = *numbers;
    return numbers.has_value();
  }

  Graph& graph_;
  const Shape shape_;
  size_t axis_;
  Node* last_;
};

void fuse(Graph& graph, Node* node) {
  const bool conv = node->is("ConvInteger");
  const Shape& shape = node->output()->shape();
  if ((!conv && !node->is("MatMulInteger")) || !shape.is_static() || shape.rank() < 2) return;
  const Value *w = node->input(1), *x_zero = node->input(2), *w_zero = node->input(3);
  if (!w->is_constant() || (x_zero && !one_number(x_zero)) || (w_zero && !w_zero->is_constant())) return;
  if (!conv && w->shape().rank() != 2) return;
  const size_t axis = conv ? 1 : static_cast<size_t>(shape.rank()) - 1;
  if (w_zero && w_zero->constant().size() != 1 && !(shape[axis] == Dim(w_zero->constant().size()))) return;
  Chain chain(graph, node, axis);
  auto fused = std::make_unique<Fused>();
  if (conv) {
    auto inner = std::make_shared<ops::IntegerConv>();
    set_attributes(*inner, get_attributes(node->op()));
    inner->end = chain.end;
    fused->inner = std::move(inner);
  } else {
    auto inner = std::make_shared<ops::IntegerMatMul>();
    inner->end = chain.end;
    fused->inner = std::move(inner);
  }
  std::vector<Value*> inputs = node->inputs();
  inputs.resize(4, nullptr);
  if (chain.scale) inputs.push_back(chain.scale);
  fused->inner_inputs = static_cast<int64_t>(inputs.size());
  fused->act = chain.act;
  fused->out_dtype = chain.last()->output()->dtype();
  Value* old = chain.last()->output();
  Node* made = graph.insert_before(chain.last(), std::move(fused), std::move(inputs), node->name + "/fused");
  graph.replace_uses(old, made->output());
}

}  // namespace

void fuse_integer_products(Graph& graph) {
  for (Node* node : graph.node_list()) fuse(graph, node);
  graph.remove_dead();
}

}  // namespace hone
