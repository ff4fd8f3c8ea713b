// clip(x + 3, 0, 6) / 6, clip(x / 6 + 1/2, 0, 1) ... => hard_sigmoid(x, alpha, beta)
// x * hard_sigmoid(x, 1/6, 1/2), x * clip(x + 3, 0, 6) / 6 => hard_swish(x)
#include <cmath>

#include "graph/ops/activation/hard_sigmoid.hpp"
#include "optimize/algebra.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

/// A ramp from 0 to 1: unit * gate = max(0, min(1, alpha * argument + beta)).
struct Ramp {
  Value* argument = nullptr;
  double unit = 1;  ///< factor that brings the gate's range to [0, 1]
  double alpha = 1, beta = 0;
};

std::optional<Ramp> ramp_of(const Node& node) {
  if (const auto* op = node.as<ops::HardSigmoid>()) return Ramp{node.input(0), 1, op->alpha, op->beta};
  if (!node.is("Clip")) return std::nullopt;
  auto low = scalar(node.input(1)), high = scalar(node.input(2));
  if (!low || !high || *low != 0 || !(*high > 0) || !std::isfinite(*high)) return std::nullopt;
  return Ramp{node.input(0), 1 / *high, 1 / *high, 0};
}

bool is_term(const Polynomial& p, int i, int j, double coefficient, DType dtype) {
  return p.close_to(Polynomial{{{{i, j}, coefficient}}}, dtype);
}

/// The linear function (slope, offset) that `value` is of x.
std::optional<std::pair<double, double>> linear(const Value* value, const Value* x, std::set<const Node*>& nodes) {
  auto p = expand(value, x, nullptr, nodes);
  if (!p) return std::nullopt;
  for (auto& [exponents, coefficient] : p->terms)
    if (exponents[0] > 1 && coefficient != 0) return std::nullopt;
  return std::pair(p->at(1), p->at(0));
}

struct RecoverHardActivations : Sweep {
  const char* name() const override { return "recover_hard_activations"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (graph.use_count(node->output()) == 0 || !is_float(node->output()->dtype())) continue;
      auto ramp = ramp_of(*node);
      if (ramp) changed |= to_swish(graph, node, *ramp) || to_sigmoid(graph, node, *ramp);
    }
    return changed;
  }

 private:
  static bool to_swish(Graph& graph, Node* gate, const Ramp& ramp) {
    DType dtype = gate->output()->dtype();
    for (Value* x : possible_variables(ramp.argument)) {
      std::set<const Node*> inner{gate};
      auto line = linear(ramp.argument, x, inner);
      if (!line || !close(ramp.alpha * line->first, 1.0 / 6, dtype) ||
          !close(ramp.alpha * line->second + ramp.beta, 0.5, dtype))
        continue;
      for (Node* root : possible_roots(graph, gate->output())) {
        std::set<const Node*> nodes = inner;
        auto p = expand(root->output(), x, gate->output(), nodes);
        if (!p || !is_term(*p, 1, 1, ramp.unit, dtype) || !used_only_inside(graph, nodes, root)) continue;
        become(graph, root, new_op("HardSwish"), {x});
        return true;
      }
    }
    return false;
  }

  static bool to_sigmoid(Graph& graph, Node* gate, const Ramp& ramp) {
    std::vector<Value*> variables = possible_variables(ramp.argument);
    // The farthest first: it takes the most nodes in.
    for (size_t i = variables.size(); i-- > 0;)
      if (to_sigmoid_of(graph, gate, ramp, variables[i])) return true;
    return false;
  }

  static bool to_sigmoid_of(Graph& graph, Node* gate, const Ramp& ramp, Value* x) {
    std::set<const Node*> inner{gate};
    auto line = linear(ramp.argument, x, inner);
    if (!line) return false;
    double alpha = ramp.alpha * line->first, beta = ramp.alpha * line->second + ramp.beta;
    if (!(alpha > 0)) return false;
    auto write = [&](Node* root, const std::set<const Node*>& nodes) {
      if (!used_only_inside(graph, nodes, root)) return false;
      become(graph, root,
             new_op("HardSigmoid", {{"alpha", static_cast<float>(alpha)}, {"beta", static_cast<float>(beta)}}), {x});
      return true;
    };
    // clip(x, 0, 1) of x itself is simple enough.
    if (ramp.unit == 1) return x != ramp.argument && write(gate, inner);
    for (Node* root : possible_roots(graph, gate->output())) {
      std::set<const Node*> nodes = inner;
      auto p = expand(root->output(), gate->output(), nullptr, nodes);
      if (p && is_term(*p, 1, 0, ramp.unit, gate->output()->dtype())) return write(root, nodes);
    }
    return false;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_hard_activations() { return std::make_unique<RecoverHardActivations>(); }

}  // namespace hone::passes
