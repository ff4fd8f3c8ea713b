// f(x) => x        for Identity, x * 1, x + 0, Reshape to the same sizes, Cast to the same type ...
#include <algorithm>
#include <cmath>

#include "graph/ops/shape/cast.hpp"
#include "graph/ops/shape/transpose.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

/// Constants with more elements are not searched for ones and zeros.
constexpr int64_t max_elements = 1 << 16;

bool all_are(const Value* value, double wanted) {
  if (!value || !value->is_constant() || value->constant().size() > max_elements || value->constant().size() == 0)
    return false;
  auto list = numbers(value);
  return list && std::all_of(list->begin(), list->end(), [&](double number) { return number == wanted; });
}

bool keeps_type(const Value* from, const Value* to) {
  return from->dtype() == to->dtype() && surely_equal(from->shape(), to->shape());
}

/// Broadcasting with a constant that has only sizes of 1 and no more dimensions than x keeps the shape of x even where
/// that is not known.
bool keeps_shape(const Node& node, const Value* x, const Value* constant) {
  bool ones = std::all_of(constant->constant().dims().begin(), constant->constant().dims().end(),
                          [](int64_t d) { return d == 1; });
  int rank = constant->constant().rank();
  if (ones && (rank == 0 || (x->shape().ranked && rank <= x->shape().rank()))) return true;
  return surely_equal(x->shape(), node.output()->shape());
}

/// x where the node is x * 1, 1 * x, x + 0, x - 0, x / 1 or x ^ 1.
Value* neutral(const Node& node) {
  struct Row {
    const char* type;
    double constant;
    bool either_side;
  };
  for (const Row& row :
       {Row{"Mul", 1, true}, Row{"Add", 0, true}, Row{"Sub", 0, false}, Row{"Div", 1, false}, Row{"Pow", 1, false}}) {
    if (!node.is(row.type)) continue;
    for (size_t side : {size_t{1}, size_t{0}}) {
      if (side == 0 && !row.either_side) continue;
      Value* x = node.input(1 - side);
      if (all_are(node.input(side), row.constant) && keeps_shape(node, x, node.input(side))) return x;
    }
  }
  return nullptr;
}

bool is_dropout_at_inference(const Node& node) {
  if (!node.is("Dropout")) return false;
  if (node.outputs().size() > 1 && !node.output(1)->uses().empty()) return false;
  const Value* training = node.input(2);
  return !training || all_are(training, 0);
}

bool slices_everything(const Node& node) {
  if (!node.is("Slice") || !keeps_type(node.input(0), node.output())) return false;
  return !node.input(4) || all_are(node.input(4), 1);
}

bool resizes_to_itself(const Node& node) {
  if (!node.is("Resize") || !keeps_type(node.input(0), node.output())) return false;
  Attributes attributes = get_attributes(node.op());
  auto mode = attributes.find("coordinate_transformation_mode");
  if (mode != attributes.end() && std::get<std::string>(mode->second) == "tf_crop_and_resize") return false;
  // Scales that only round to the same sizes still move the samples.
  return node.input(3) || all_are(node.input(2), 1);
}

bool transposes_nothing(const Node& node) {
  const auto* op = node.as<ops::Transpose>();
  if (!op) return false;
  const Shape& shape = node.input(0)->shape();
  if (op->perm.empty()) return shape.ranked && shape.rank() <= 1;
  return std::is_sorted(op->perm.begin(), op->perm.end());
}

/// What the node's output 0 is the same as; nullptr when nothing.
Value* same_as(const Node& node) {
  if (is_quantizer(node) || node.inputs().empty() || !node.input(0) || node.op().domain()[0] != '\0') return nullptr;
  Value* x = node.input(0);
  if (node.is("Identity") || is_dropout_at_inference(node)) return x;
  if (const auto* cast = node.as<ops::Cast>()) return cast->to == x->dtype() ? x : nullptr;
  bool variadic = node.is("Concat") || node.is("Sum") || node.is("Mean") || node.is("Min") || node.is("Max");
  if (variadic && node.inputs().size() == 1) return x;
  if ((node.has(Trait::view) || node.is("Expand")) && keeps_type(x, node.output())) return x;
  if (node.is("Tile") && all_are(node.input(1), 1)) return x;
  if (node.is("Split") && node.outputs().size() == 1) return x;
  if (node.is("Pad") && all_are(node.input(1), 0)) return x;
  if (transposes_nothing(node) || slices_everything(node) || resizes_to_itself(node)) return x;
  return neutral(node);
}

struct RemoveIdentities : Sweep {
  const char* name() const override { return "remove_identities"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      Value* x = same_as(*node);
      if (!x || graph.use_count(node->output()) == 0 || !replace(graph, node->output(), x)) continue;
      changed = true;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> remove_identities() { return std::make_unique<RemoveIdentities>(); }

}  // namespace hone::passes
