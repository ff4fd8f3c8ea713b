// y = if (c) f(x) else g(x)  =>  y = f(x)        for a constant condition c that holds
#include "graph/insert.hpp"
#include "graph/ops/control/if.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct InlineIf : Sweep {
  const char* name() const override { return "inline_if"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      const auto* choice = node->as<ops::If>();
      if (!choice || node->inputs().empty() || !node->input(0)->is_constant()) continue;
      const Tensor& condition = node->input(0)->constant();
      if (condition.dtype() != DType::boolean || condition.size() != 1) continue;
      const auto& branch = condition.data<bool>()[0] ? choice->then_branch : choice->else_branch;
      std::vector<Value*> captures(node->inputs().begin() + 1, node->inputs().end());
      std::vector<Value*> outputs = insert_graph(graph, node, *branch, captures, node->name + "/");
      replace_outputs(graph, node, outputs);
      changed = true;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> inline_if() { return std::make_unique<InlineIf>(); }

}  // namespace hone::passes
