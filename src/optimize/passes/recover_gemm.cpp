// matmul(a, b) + c => gemm(a, b, c)        for matrices a and b and a constant row c
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct RecoverGemm : Sweep {
  const char* name() const override { return "recover_gemm"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (!node->is("MatMul") || node->op().domain()[0] != '\0') continue;
      Node* add = single_user(graph, node->output());
      if (!add || !add->is("Add") || !is_float(node->output()->dtype())) continue;
      const Shape &a = node->input(0)->shape(), &b = node->input(1)->shape();
      if (!a.ranked || !b.ranked || a.rank() != 2 || b.rank() != 2 || !b[1].known()) continue;
      Value* bias = add->input(add->input(0) == node->output() ? 1 : 0);
      auto row = per_channel(bias, 2, 1, b[1].value);
      if (!row) continue;
      Tensor c = tensor_of(node->output()->dtype(), {b[1].value}, *row);
      become(graph, node, new_op("Gemm"), {node->input(0), node->input(1), graph.add_constant(bias->name, c)});
      bypass(graph, add, node->output());
      changed = true;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_gemm() { return std::make_unique<RecoverGemm>(); }

}  // namespace hone::passes
