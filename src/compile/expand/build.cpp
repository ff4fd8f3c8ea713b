#include "compile/expand/build.hpp"

#include <algorithm>

#include "compile/lower/patterns.hpp"

namespace hone {

Value* Builder::make(const char* op, std::vector<Value*> inputs, const Attributes& attributes) {
  Node* node = graph_.insert_before(place_, new_op(op, attributes), inputs, place_->name + "/" + op);
  std::vector<const Tensor*> constants;
  for (const Value* input : inputs) {
    if (input && !input->is_constant()) return node->output();
    constants.push_back(input ? &input->constant() : nullptr);
  }
  Value* folded = graph_.add_constant(node->name + "/value", evaluate_node(*node, constants)[0]);
  graph_.erase(node);
  return folded;
}

Value* Builder::ints(const std::vector<int64_t>& values) {
  Dims dims{static_cast<int64_t>(values.size())};
  return graph_.add_constant(place_->name + "/list", Tensor::of<int64_t>(dims, values));
}

Value* Builder::number(float value) { return graph_.add_constant(place_->name + "/number", Tensor::scalar(value)); }

Value* Builder::transpose(Value* x, const std::vector<int64_t>& permutation) {
  if (std::is_sorted(permutation.begin(), permutation.end())) return x;
  return make("Transpose", {x}, {{"perm", permutation}});
}

Value* Builder::reshape(Value* x, const Dims& dims) {
  return x->shape() == Shape(dims) ? x : make("Reshape", {x, ints(dims)});
}

Value* Builder::sum(Value* x, const std::vector<int64_t>& axes) {
  return axes.empty() ? x : make("ReduceSum", {x, ints(axes)}, {{"keepdims", int64_t{0}}});
}

Value* Builder::slice(Value* x, int64_t axis, int64_t start, int64_t count, int64_t step) {
  int64_t end = start + (count - 1) * step + 1;
  if (start == 0 && step == 1 && x->shape()[static_cast<size_t>(axis)] == Dim(end)) return x;
  return make("Slice", {x, ints({start}), ints({end}), ints({axis}), ints({step})});
}

Value* Builder::pad(Value* x, int64_t axis, int64_t before, int64_t after, float value) {
  if (before == 0 && after == 0) return x;
  return make("Pad", {x, ints({before, after}), number(value), ints({axis})});
}

}  // namespace hone
