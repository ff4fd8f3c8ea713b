// mean(x, axes = all spatial) => global_average_pool(x)        and flatten(...) when the axes are not kept
#include "graph/ops/reduce/reduction.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct RecoverGlobalPool : Sweep {
  const char* name() const override { return "recover_global_pool"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      const auto* op = node->as<ops::Reduction>();
      if (!op || !node->is("ReduceMean") || !is_float(node->output()->dtype())) continue;
      Value* x = node->input(0);
      if (!x->shape().ranked || x->shape().rank() < 3 || x->shape().rank() > 5) continue;
      auto axes = op->reduced_axes(*node);
      // Sorted and without repetition: all spatial axes, and not batch or channels.
      if (!axes || axes->size() + 2 != static_cast<size_t>(x->shape().rank()) || axes->front() != 2) continue;
      changed = true;
      if (op->keepdims) {
        become(graph, node, new_op("GlobalAveragePool"), {x});
      } else {
        Node* pool = graph.insert_before(node, new_op("GlobalAveragePool"), {x}, node->name + "/pool");
        become(graph, node, new_op("Flatten"), {pool->output()});
      }
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_global_pool() { return std::make_unique<RecoverGlobalPool>(); }

}  // namespace hone::passes
