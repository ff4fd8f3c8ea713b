// conv(x, w) * a + b => conv(x, a * w) + b        for constants a and b that vary along the output channels only
// and the same for -, /, conv_transpose, gemm and (without b) matmul
#include "optimize/fold_affine.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct FoldScale : Sweep {
  const char* name() const override { return "fold_scale"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      while (auto channels = output_channels(*node)) {
        Node* user = single_user(graph, node->output());
        auto affine = user ? arithmetic_affine(*user, node->output(), *channels) : std::nullopt;
        if (!affine || !fold_into(graph, node, *affine)) break;
        bypass(graph, user, node->output());
        changed = true;
      }
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> fold_scale() { return std::make_unique<FoldScale>(); }

}  // namespace hone::passes
