// y1 = f(x), y2 = f(x)  =>  y1 = f(x), y2 = y1        constants with equal elements count as one input
#include <unordered_map>

#include <fmt/format.h>

#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

/// Larger constants are compared by identity: hashing all weights would cost more than it finds.
constexpr size_t max_bytes = 4096;

/// Equal for inputs that are surely the same.
std::string input_key(const Value* value) {
  if (!value) return "_";
  bool by_content = value->is_constant() && value->dtype() != DType::string && value->constant().bytes() <= max_bytes;
  if (!by_content) return fmt::format("{}", static_cast<const void*>(value));
  const Tensor& tensor = value->constant();
  return to_string(value->type) + std::string(static_cast<const char*>(tensor.raw()), tensor.bytes());
}

struct MergeCommon : Sweep {
  const char* name() const override { return "merge_common"; }

  bool sweep(Graph& graph) const override {
    std::unordered_map<std::string, std::vector<Node*>> seen;
    bool changed = false;
    for (Node* node : graph.node_list()) {
      // Each user of a quantized value keeps its own DequantizeLinear: other runtimes look for such pairs.
      if (node->has(Trait::random) || is_quantizer(*node)) continue;
      std::string key = fmt::format("{}.{} {}", node->op().domain(), node->op().type(), node->outputs().size());
      for (const Value* input : node->inputs()) {
        std::string part = input_key(input);
        key += fmt::format(" {}:", part.size()) + part;
      }
      auto& candidates = seen[key];
      Node* twin = nullptr;
      for (Node* candidate : candidates)
        if (same_op(candidate->op(), node->op())) twin = candidate;
      if (!twin)
        candidates.push_back(node);
      else
        changed |= merge(graph, node, twin);
    }
    return changed;
  }

 private:
  static bool merge(Graph& graph, Node* node, Node* twin) {
    bool used = false;
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      if (graph.is_output(node->output(i)) && graph.is_output(twin->output(i))) return false;
      used |= graph.use_count(node->output(i)) > 0;
    }
    for (size_t i = 0; i < node->outputs().size(); ++i) graph.replace_uses(node->output(i), twin->output(i));
    return used;
  }
};

}  // namespace

std::unique_ptr<Pass> merge_common() { return std::make_unique<MergeCommon>(); }

}  // namespace hone::passes
