// transpose(transpose(x, p), q) => transpose(x, p q), or x when p q changes nothing
// transpose(f(transpose(x, p), c), q) => f(x, transpose(c, q))        for elementwise f, when p q changes nothing
#include <algorithm>
#include <numeric>
#include <set>

#include "graph/ops/shape/transpose.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

using Perm = std::vector<int64_t>;

constexpr size_t max_region = 64;

/// The permutation with the default filled in; nullopt when it is not known.
std::optional<Perm> perm_of(const Node* node) {
  const auto* op = node ? node->as<ops::Transpose>() : nullptr;
  if (!op) return std::nullopt;
  if (!op->perm.empty()) return op->perm;
  if (!node->input(0)->shape().ranked) return std::nullopt;
  Perm reversed(static_cast<size_t>(node->input(0)->shape().rank()));
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
  return reversed;
}

/// The one permutation that does `first` and then `second`.
Perm compose(const Perm& first, const Perm& second) {
  Perm result;
  for (int64_t axis : second) result.push_back(first[static_cast<size_t>(axis)]);
  return result;
}

bool is_identity(const Perm& perm) { return std::is_sorted(perm.begin(), perm.end()); }

bool passes_transposes(const Node& node) {
  return node.has(Trait::elementwise) && node.has(Trait::layout_agnostic) && node.outputs().size() == 1 &&
         !is_quantizer(node);
}

/// What lies between a Transpose and the ones that it cancels with.
struct Region {
  std::set<const Node*> nodes;                                  // elementwise
  std::vector<std::pair<Node*, size_t>> transposed, constants;  // inputs of such nodes
};

/// Collects the region above `value`; false when something in it does not let the transpose through.
bool collect(const Graph& graph, Value* value, const Perm& perm, Region& region) {
  std::vector<Value*> waiting{value};
  while (!waiting.empty()) {
    Value* next = waiting.back();
    waiting.pop_back();
    Node* node = next->producer();
    if (!node || !passes_transposes(*node) || graph.is_output(next)) return false;
    if (!region.nodes.insert(node).second) continue;
    if (region.nodes.size() > max_region) return false;
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      Value* input = node->input(i);
      if (!input) continue;
      auto above = perm_of(input->producer());
      if (input->is_constant()) {
        if (input->constant().rank() > static_cast<int>(perm.size())) return false;
        if (input->constant().size() != 1) region.constants.push_back({node, i});  // one number goes with any order
      } else if (above) {
        if (above->size() != perm.size() || !is_identity(compose(*above, perm))) return false;
        region.transposed.push_back({node, i});
      } else {
        waiting.push_back(input);
      }
    }
  }
  return !region.transposed.empty();
}

/// The constant as it combines with tensors that went through `perm`.
Tensor permuted(const Tensor& tensor, const Perm& perm) {
  Dims dims(perm.size() - static_cast<size_t>(tensor.rank()), 1);
  dims.insert(dims.end(), tensor.dims().begin(), tensor.dims().end());
  Graph graph;
  Value* x = graph.add_constant("x", tensor.reshaped(dims));
  Node* node = graph.add(new_op("Transpose", {{"perm", perm}}), {x});
  const Tensor* inputs[] = {&x->constant()};
  return evaluate_node(*node, inputs)[0];
}

bool cancel_through(Graph& graph, Node* last, const Perm& perm) {
  Region region;
  if (!collect(graph, last->input(0), perm, region)) return false;
  // Nobody else may see the values inside, whose order changes.
  std::set<const Node*> inside = region.nodes;
  inside.insert(last);
  if (!used_only_inside(graph, inside, last)) return false;
  if (graph.is_output(last->output()) && graph.is_output(last->input(0))) return false;
  for (auto& [node, index] : region.transposed) graph.set_input(node, index, node->input(index)->producer()->input(0));
  for (auto& [node, index] : region.constants)
    graph.set_input(node, index,
                    graph.add_constant(node->input(index)->name, permuted(node->input(index)->constant(), perm)));
  graph.replace_uses(last->output(), last->input(0));
  return true;
}

bool rewrite(Graph& graph, Node* node) {
  auto perm = perm_of(node);
  if (!perm || graph.use_count(node->output()) == 0) return false;
  Node* above = node->input(0)->producer();
  auto first = perm_of(above);
  if (!first) return cancel_through(graph, node, *perm);
  if (first->size() != perm->size()) return false;
  Perm both = compose(*first, *perm);
  Value* source = above->input(0);
  if (is_identity(both) && replace(graph, node->output(), source)) return true;
  become(graph, node, new_op("Transpose", {{"perm", both}}), {source});
  return true;
}

struct CancelTransposes : Sweep {
  const char* name() const override { return "cancel_transposes"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) changed |= rewrite(graph, node);
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> cancel_transposes() { return std::make_unique<CancelTransposes>(); }

}  // namespace hone::passes
