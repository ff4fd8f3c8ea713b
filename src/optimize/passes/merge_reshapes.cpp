// reshape(reshape(x, a), b) => reshape(x, b)        for Reshape, Flatten, Squeeze, Unsqueeze
// reshape(x, computed sizes) => reshape(x, constant)        where the sizes are known, copied from x, or one is left
// over
#include "graph/ops/shape/reshape.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

bool is_view(const Node& node) {
  return node.has(Trait::view) && node.op().domain()[0] == '\0' && node.outputs().size() == 1 && !node.is("Identity");
}

/// The shape input that makes `to` of `from` in one Reshape; nullopt when it cannot be said by constants.
std::optional<std::vector<int64_t>> target(const Shape& from, const Shape& to) {
  if (!from.ranked || !to.ranked) return std::nullopt;
  std::vector<int64_t> sizes;
  bool left_over = false;
  for (size_t i = 0; i < to.dims.size(); ++i) {
    const Dim& dim = to[i];
    if (dim.known()) {
      if (dim.value == 0) return std::nullopt;  // 0 means "as in x" there
      sizes.push_back(dim.value);
    } else if (!dim.symbol.empty() && i < from.dims.size() && from[i] == dim) {
      sizes.push_back(0);
    } else if (!left_over) {
      sizes.push_back(-1);
      left_over = true;
    } else {
      return std::nullopt;
    }
  }
  return sizes;
}

struct MergeReshapes : Sweep {
  const char* name() const override { return "merge_reshapes"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (!is_view(*node) || graph.use_count(node->output()) == 0) continue;
      Value* source = node->input(0);
      while (source->producer() && is_view(*source->producer())) source = source->producer()->input(0);
      bool chain = source != node->input(0);
      bool computed = node->is("Reshape") && !node->input(1)->is_constant();
      if (!chain && !computed) continue;
      if (surely_equal(source->shape(), node->output()->shape()) && replace(graph, node->output(), source)) {
        changed = true;
        continue;
      }
      auto sizes = target(source->shape(), node->output()->shape());
      if (!sizes) continue;
      Value* shape =
          graph.add_constant(node->name + "/shape", Tensor::of<int64_t>({static_cast<int64_t>(sizes->size())}, *sizes));
      become(graph, node, new_op("Reshape"), {source, shape});
      changed = true;
    }
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> merge_reshapes() { return std::make_unique<MergeReshapes>(); }

}  // namespace hone::passes
