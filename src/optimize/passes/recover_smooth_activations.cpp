// x * sigmoid(k x) => swish(x, alpha = k)
// log(exp(x) + 1)  => softplus(x)
// x * tanh(softplus(x)) => mish(x)
#include "optimize/algebra.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

const Polynomial product_of_both{{{{1, 1}, 1.0}}};

bool to_swish(Graph& graph, Node* gate) {
  DType dtype = gate->output()->dtype();
  for (Value* x : possible_variables(gate->input(0))) {
    std::set<const Node*> inner{gate};
    auto scaled = expand(gate->input(0), x, nullptr, inner);
    if (!scaled || scaled->at(1) == 0 || !scaled->close_to(Polynomial{{{{1, 0}, scaled->at(1)}}}, dtype)) continue;
    for (Node* root : possible_roots(graph, gate->output())) {
      std::set<const Node*> nodes = inner;
      auto p = expand(root->output(), x, gate->output(), nodes);
      if (!p || !p->close_to(product_of_both, dtype) || !used_only_inside(graph, nodes, root)) continue;
      become(graph, root, new_op("Swish", {{"alpha", static_cast<float>(scaled->at(1))}}, "hone"), {x});
      return true;
    }
  }
  return false;
}

bool to_softplus(Graph& graph, Node* log) {
  Node* add = made_by(log->input(0), "Add");
  if (!add) return false;
  for (size_t side : {size_t{0}, size_t{1}}) {
    Node* exp = made_by(add->input(side), "Exp");
    auto one = scalar_beside(add->input(1 - side), add->input(side));
    if (!exp || !one || *one != 1 || !used_only_inside(graph, {log, add, exp}, log)) continue;
    become(graph, log, new_op("Softplus"), {exp->input(0)});
    return true;
  }
  return false;
}

bool to_mish(Graph& graph, Node* tanh) {
  Node* softplus = made_by(tanh->input(0), "Softplus");
  Node* root = single_user(graph, tanh->output());
  if (!softplus || !root || !root->is("Mul")) return false;
  Value* x = softplus->input(0);
  Value* other = root->input(root->input(0) == tanh->output() ? 1 : 0);
  if (other != x || !used_only_inside(graph, {tanh, softplus, root}, root)) return false;
  become(graph, root, new_op("Mish"), {x});
  return true;
}

struct RecoverSmoothActivations : Sweep {
  const char* name() const override { return "recover_smooth_activations"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (graph.use_count(node->output()) == 0 || !is_float(node->output()->dtype()) || node->op().domain()[0] != '\0')
        continue;
      if (node->is("Sigmoid"))
        changed |= to_swish(graph, node);
      else if (node->is("Log"))
        changed |= to_softplus(graph, node);
      else if (node->is("Tanh"))
        changed |= to_mish(graph, node);
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_smooth_activations() { return std::make_unique<RecoverSmoothActivations>(); }

}  // namespace hone::passes
