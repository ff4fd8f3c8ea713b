#include <algorithm>
#include <map>

#include "compile/expand/build.hpp"
#include "compile/expand/expand.hpp"
#include "graph/ops/math/einsum/einsum.hpp"

// einsum(a [batch, m, k], b [batch, k, n]) => a b: the labels of two operands are those that both and the result have
// (batch), those of one of them and the result (m and n), and those that are summed (k).
namespace hone {

namespace {

using Labels = std::vector<int>;

bool has(const Labels& labels, int label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }

/// A value whose axes are labels; none occurs twice.
struct Operand {
  Value* value;
  Labels labels;
};

class Expansion {
 public:
  Expansion(Graph& graph, Node* node, ops::EinsumLabels labels)
      : build_(graph, node), labels_(std::move(labels)) {
    for (size_t i = 0; i < labels_.inputs.size(); ++i)
      for (size_t axis = 0; axis < labels_.inputs[i].size(); ++axis) {
        int64_t& size = sizes_[labels_.inputs[i][axis]];
        size = std::max(size, node->input(i)->shape()[axis].value);
      }
  }

  Value* run(const std::vector<Value*>& inputs) {
    Operand result = operand(inputs[0], 0);
    for (size_t next = 1; next < inputs.size(); ++next) result = product(result, operand(inputs[next], next), next + 1);
    result = without(result, [&](int label) { return !has(labels_.output, label); });
    Dims dims;
    for (int label : labels_.output) dims.push_back(sizes_.at(label));
    // Labels that only had size 1 come back as that.
    Labels present;
    for (int label : labels_.output)
      if (has(result.labels, label)) present.push_back(label);
    return build_.reshape(arranged(result, present), dims);
  }

 private:
  /// An input without the axes of size 1, which broadcast or say nothing.
  Operand operand(Value* value, size_t i) {
    Operand result{value, {}};
    Dims dims;
    for (size_t axis = 0; axis < labels_.inputs[i].size(); ++axis) {
      int64_t size = value->shape()[axis].value;
      if (size == 1) continue;
      dims.push_back(size);
      result.labels.push_back(labels_.inputs[i][axis]);
    }
    result.value = build_.reshape(value, dims);
    return result;
  }

  Value* arranged(const Operand& x, const Labels& order) {
    std::vector<int64_t> permutation;
    for (int label : order)
      permutation.push_back(std::find(x.labels.begin(), x.labels.end(), label) - x.labels.begin());
    return build_.transpose(x.value, permutation);
  }

  /// Summed over the labels that `gone` names.
  template <class F>
  Operand without(const Operand& x, F gone) {
    std::vector<int64_t> axes;
    Operand result{x.value, {}};
    for (size_t i = 0; i < x.labels.size(); ++i) {
      if (gone(x.labels[i])) axes.push_back(static_cast<int64_t>(i));
      else result.labels.push_back(x.labels[i]);
    }
    result.value = build_.sum(x.value, axes);
    return result;
  }

  bool needed(int label, size_t next) const {
    if (has(labels_.output, label)) return true;
    for (size_t i = next; i < labels_.inputs.size(); ++i)
      if (has(labels_.inputs[i], label)) return true;
    return false;
  }

  int64_t count(const Labels& labels) const {
    int64_t product = 1;
    for (int label : labels) product *= sizes_.at(label);
    return product;
  }

  static Labels joined(std::initializer_list<const Labels*> lists) {
    Labels result;
    for (const Labels* list : lists) result.insert(result.end(), list->begin(), list->end());
    return result;
  }

  Operand product(Operand a, Operand b, size_t next) {
    a = without(a, [&](int label) { return !has(b.labels, label) && !needed(label, next); });
    b = without(b, [&](int label) { return !has(a.labels, label) && !needed(label, next); });
    Labels batch, m, n, k;
    for (int label : a.labels) (!has(b.labels, label) ? m : needed(label, next) ? batch : k).push_back(label);
    for (int label : b.labels)
      if (!has(a.labels, label)) n.push_back(label);
    Operand result{nullptr, joined({&batch, &m, &n})};
    Dims dims;
    for (int label : result.labels) dims.push_back(sizes_.at(label));
    int64_t batches = count(batch), rows = count(m), columns = count(n), depth = count(k);
    Value *left = arranged(a, joined({&batch, &m, &k})), *right = arranged(b, joined({&batch, &k, &n}));
    if (k.empty()) {
      left = build_.reshape(left, {batches, rows, 1}), right = build_.reshape(right, {batches, 1, columns});
      result.value = build_.make("Mul", {left, right});
    } else if (batch.empty()) {
      left = build_.reshape(left, {rows, depth}), right = build_.reshape(right, {depth, columns});
      result.value = build_.make("MatMul", {left, right});
    } else {
      left = build_.reshape(left, {batches, rows, depth}), right = build_.reshape(right, {batches, depth, columns});
      result.value = build_.make("MatMul", {left, right});
    }
    result.value = build_.reshape(result.value, dims);
    return result;
  }

  Builder build_;
  ops::EinsumLabels labels_;
  std::map<int, int64_t> sizes_;
};

bool expands(const Node& node, const ops::EinsumLabels& labels) {
  for (const Labels& own : labels.inputs) {
    Labels sorted = own;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return false;  // a diagonal
  }
  for (const Value* input : node.inputs()) {
    if (input->dtype() != DType::f32 || !input->shape().is_static()) return false;
    for (const Dim& size : input->shape().dims)
      if (size.value == 0) return false;
  }
  return true;
}

}  // namespace

void expand_einsum(Graph& graph) {
  bool changed = false;
  for (Node* node : graph.node_list()) {
    const auto* op = node->as<ops::Einsum>();
    if (!op) continue;
    std::vector<int> ranks;
    for (const Value* input : node->inputs()) ranks.push_back(input->shape().rank());
    ops::EinsumLabels labels = ops::parse_equation(node->place(), op->equation, ranks);
    if (!expands(*node, labels)) continue;
    graph.replace_uses(node->output(), Expansion(graph, node, std::move(labels)).run(node->inputs()));
    changed = true;
  }
  if (changed) graph.remove_dead();
}

}  // namespace hone
