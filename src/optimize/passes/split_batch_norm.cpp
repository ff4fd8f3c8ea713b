// batch_norm(x) => x * a + c        a = gamma / sqrt(variance + epsilon), c = beta - a * mean; for those with nothing
// to fold into
#include "graph/ops/nn/normalization/batch_normalization.hpp"
#include "optimize/fold_affine.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

struct SplitBatchNorm : Sweep {
  const char* name() const override { return "split_batch_norm"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (!node->as<ops::BatchNormalization>() || !node->input(0)->shape().ranked || node->input(0)->shape().rank() < 2)
        continue;
      if (!node->input(1)->is_constant()) continue;
      Value* x = node->input(0);
      int64_t channels = node->input(1)->constant().size();
      auto affine = batch_norm_affine(*node, channels);
      if (!affine || !is_float(x->dtype())) continue;
      Dims dims(static_cast<size_t>(x->shape().rank()), 1);
      dims[1] = channels;
      Value* scale = graph.add_constant(node->name + "/scale", tensor_of(x->dtype(), dims, affine->scale));
      Value* shift = graph.add_constant(node->name + "/shift", tensor_of(x->dtype(), dims, affine->shift));
      Node* product = graph.insert_before(node, new_op("Mul"), {x, scale}, node->name + "/product");
      become(graph, node, new_op("Add"), {product->output(), shift});
      changed = true;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> split_batch_norm() { return std::make_unique<SplitBatchNorm>(); }

}  // namespace hone::passes
