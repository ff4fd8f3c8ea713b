// batch_norm(conv(x, w) + b) => conv(x, a * w) + (a * b + c)        a = gamma / sqrt(variance + epsilon), c = beta - a
// * mean and the same for conv_transpose and gemm
#include "optimize/fold_affine.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct FoldBatchNorm : Sweep {
  const char* name() const override { return "fold_batch_norm"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      // A batch norm after a fully connected layer has its channels last only when that gives a matrix.
      while (auto channels = output_channels(*node)) {
        Node* user = channels->axis == 1 ? single_user(graph, node->output()) : nullptr;
        if (!user || user->input(0) != node->output()) break;
        auto affine = batch_norm_affine(*user, channels->count);
        if (!affine || !fold_into(graph, node, *affine)) break;
        bypass(graph, user, node->output());
        changed = true;
      }
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> fold_batch_norm() { return std::make_unique<FoldBatchNorm>(); }

}  // namespace hone::passes
