// x / 2 * (1 + erf(x / sqrt(2)))                             => gelu(x)
// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))    => gelu(x, approximate = tanh)
#include <cmath>

#include "optimize/algebra.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct RecoverGelu : Sweep {
  const char* name() const override { return "recover_gelu"; }

  bool sweep(Graph& graph) const override {
    const double root_2_pi = std::sqrt(2 / std::acos(-1.0));
    const Polynomial exact{{{{1, 0}, std::sqrt(0.5)}}};
    const Polynomial cubic{{{{1, 0}, root_2_pi}, {{3, 0}, root_2_pi * 0.044715}}};
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (graph.use_count(node->output()) == 0 || !is_float(node->output()->dtype()) || node->op().domain()[0] != '\0')
        continue;
      if (node->is("Erf"))
        changed |= recover(graph, node, exact, "none");
      else if (node->is("Tanh"))
        changed |= recover(graph, node, cubic, "tanh");
    }
    return changed;
  }

 private:
  static bool recover(Graph& graph, Node* gate, const Polynomial& argument, const char* approximate) {
    const Polynomial half{{{{1, 0}, 0.5}, {{1, 1}, 0.5}}};
    DType dtype = gate->output()->dtype();
    for (Value* x : possible_variables(gate->input(0))) {
      std::set<const Node*> inner{gate};
      auto p = expand(gate->input(0), x, nullptr, inner);
      if (!p || !p->close_to(argument, dtype)) continue;
      for (Node* root : possible_roots(graph, gate->output())) {
        std::set<const Node*> nodes = inner;
        auto whole = expand(root->output(), x, gate->output(), nodes);
        if (!whole || !whole->close_to(half, dtype) || !used_only_inside(graph, nodes, root)) continue;
        become(graph, root, new_op("Gelu", {{"approximate", std::string(approximate)}}), {x});
        return true;
      }
    }
    return false;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_gelu() { return std::make_unique<RecoverGelu>(); }

}  // namespace hone::passes
