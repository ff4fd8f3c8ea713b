// max(x, a), min(x, b)      => clip(x, a, b)
// clip(clip(x, a, b), c, d) => clip(x, a', b')        with a' = clip(a, c, d), b' = clip(b, c, d)
// clip(x, 0, inf)           => relu(x)                clip(x, -inf, inf) => x
#include <algorithm>
#include <limits>

#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// y = min(max(x, low), high)
struct Clamp {
  Value* x = nullptr;
  double low = -infinity, high = infinity;
  double at(double value) const { return std::min(std::max(value, low), high); }
};

/// What counts as no bound: exporters write the largest float.
double bound(double value) {
  if (value >= std::numeric_limits<float>::max()) return infinity;
  return value <= std::numeric_limits<float>::lowest() ? -infinity : value;
}

/// The node as a Clamp, when it is Relu, Clip, Min or Max with constants.
std::optional<Clamp> clamp_of(const Node* node) {
  if (!node || node->op().domain()[0] != '\0' || node->inputs().empty() || !node->input(0)) return std::nullopt;
  if (!is_float(node->output()->dtype())) return std::nullopt;
  Clamp clamp{node->input(0)};
  if (node->is("Relu")) {
    clamp.low = 0;
    return clamp;
  }
  if (node->is("Clip")) {
    for (size_t i : {size_t{1}, size_t{2}}) {
      if (!node->input(i)) continue;
      auto number = scalar(node->input(i));
      if (!number) return std::nullopt;
      (i == 1 ? clamp.low : clamp.high) = bound(*number);
    }
    if (clamp.low > clamp.high) clamp.low = clamp.high;  // ONNX: the upper bound wins
    return clamp;
  }
  if ((!node->is("Min") && !node->is("Max")) || node->inputs().size() != 2) return std::nullopt;
  for (size_t side : {size_t{1}, size_t{0}}) {
    auto number = scalar_beside(node->input(side), node->input(1 - side));
    if (!number) continue;
    clamp.x = node->input(1 - side);
    (node->is("Max") ? clamp.low : clamp.high) = bound(*number);
    return clamp;
  }
  return std::nullopt;
}

struct RecoverClip : Sweep {
  const char* name() const override { return "recover_clip"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      auto clamp = clamp_of(node);
      if (!clamp || graph.use_count(node->output()) == 0) continue;
      bool merged = false;
      while (auto inner = clamp_of(clamp->x->producer())) {
        if (!single_user(graph, clamp->x)) break;
        clamp = Clamp{inner->x, clamp->at(inner->low), clamp->at(inner->high)};
        merged = true;
      }
      changed |= write(graph, node, *clamp, merged);
    }
    return changed;
  }

 private:
  static bool write(Graph& graph, Node* node, const Clamp& clamp, bool merged) {
    bool relu = clamp.low == 0 && clamp.high == infinity, nothing = clamp.low == -infinity && clamp.high == infinity;
    if (nothing && replace(graph, node->output(), clamp.x)) return true;
    if (!merged && (node->is("Relu") || (node->is("Clip") && !relu))) return false;
    if (relu) {
      become(graph, node, new_op("Relu"), {clamp.x});
      return true;
    }
    auto limit = [&](const char* suffix, double value) -> Value* {
      if (value == infinity || value == -infinity) return nullptr;
      return graph.add_constant(node->name + suffix, tensor_of(node->output()->dtype(), {}, {value}));
    };
    Value *low = limit("/low", clamp.low), *high = limit("/high", clamp.high);
    become(graph, node, new_op("Clip"), {clamp.x, low, high});
    return true;
  }
};

}  // namespace

std::unique_ptr<Pass> recover_clip() { return std::make_unique<RecoverClip>(); }

}  // namespace hone::passes
