// conv(pad(x, p), w, pads = q)         => conv(x, w, pads = q + p)            for a padding with zeros
// average_pool(pad(x, p), pads = q)    => average_pool(x, pads = q + p)       when the padding is counted
// max_pool(pad(x, p), pads = q)        => max_pool(x, pads = q + p)           for -inf, or for zeros after Relu and the
// like
#include <algorithm>
#include <limits>

#include "graph/ops/nn/pooling/average_pool.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/pooling/max_pool.hpp"
#include "graph/ops/shape/pad.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

/// Constant padding of the spatial axes: begins, then ends.
struct SpatialPad {
  std::vector<int64_t> pads;
  double value = 0;
};

std::optional<SpatialPad> spatial_pad(const Node& node) {
  const auto* op = node.as<ops::Pad>();
  if (!op || op->mode != "constant" || !node.input(0)->shape().ranked) return std::nullopt;
  size_t rank = static_cast<size_t>(node.input(0)->shape().rank());
  auto given = integers(node.input(1));
  if (!given || rank < 3) return std::nullopt;
  std::vector<int64_t> axes;
  if (node.input(3)) {
    auto listed = integers(node.input(3));
    if (!listed) return std::nullopt;
    axes = *listed;
  } else {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (given->size() != 2 * axes.size()) return std::nullopt;
  SpatialPad result{std::vector<int64_t>(2 * (rank - 2), 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t begin = (*given)[i], end = (*given)[axes.size() + i];
    int64_t axis = axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i];
    if (begin < 0 || end < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
    if (axis < 2 && (begin || end)) return std::nullopt;
    if (axis < 2) continue;
    result.pads[static_cast<size_t>(axis) - 2] = begin;
    result.pads[static_cast<size_t>(axis) - 2 + rank - 2] = end;
  }
  if (node.input(2)) {
    auto value = scalar(node.input(2));
    if (!value) return std::nullopt;
    result.value = *value;
  }
  return result;
}

bool never_negative(const Value* value) {
  const Node* node = value->producer();
  if (!node) return false;
  if (node->is("Clip")) {
    auto low = scalar(node->input(1));
    return low && *low >= 0;
  }
  return node->is("Relu") || node->is("Sigmoid") || node->is("HardSigmoid") || node->is("Softmax");
}

/// Explicit pads of a window op, when it has them and says nothing else about padding.
template <class Window>
bool add_pads(Window& op, const std::vector<int64_t>& more) {
  if (op.auto_pad != "NOTSET" && op.auto_pad != "VALID") return false;
  std::vector<int64_t> pads =
      op.auto_pad == "VALID" || op.pads.empty() ? std::vector<int64_t>(more.size(), 0) : op.pads;
  if (pads.size() != more.size()) return false;
  for (size_t i = 0; i < pads.size(); ++i) pads[i] += more[i];
  op.auto_pad = "NOTSET";
  op.pads = pads;
  return true;
}

bool all_zero(const std::vector<int64_t>& list) {
  return std::all_of(list.begin(), list.end(), [](int64_t x) { return x == 0; });
}

bool into_average_pool(ops::AveragePool& op, const SpatialPad& pad) {
  bool counted = op.count_include_pad != 0 || op.auto_pad == "VALID" || (op.auto_pad == "NOTSET" && all_zero(op.pads));
  if (!counted || op.ceil_mode || pad.value != 0 || !add_pads(op, pad.pads)) return false;
  op.count_include_pad = 1;
  return true;
}

bool into_max_pool(ops::MaxPool& op, const SpatialPad& pad, const Value* x) {
  bool neutral = pad.value <= std::numeric_limits<float>::lowest() || (pad.value == 0 && never_negative(x));
  bool dense = std::all_of(op.dilations.begin(), op.dilations.end(), [](int64_t d) { return d == 1; });
  if (!neutral || !dense || op.ceil_mode || op.kernel_shape.size() * 2 != pad.pads.size()) return false;
  // No window may lie in the padding only.
  bool padded = op.auto_pad == "NOTSET" && op.pads.size() == pad.pads.size();
  for (size_t i = 0; i < pad.pads.size(); ++i)
    if (pad.pads[i] + (padded ? op.pads[i] : 0) >= op.kernel_shape[i % op.kernel_shape.size()]) return false;
  return add_pads(op, pad.pads);
}

bool fold(Graph& graph, Node* node) {
  auto pad = spatial_pad(*node);
  Node* user = pad ? single_user(graph, node->output()) : nullptr;
  if (!user || user->input(0) != node->output() || user->outputs().size() != 1) return false;
  auto op = user->op().clone();
  Value* x = node->input(0);
  bool fits = false;
  if (auto* conv = dynamic_cast<ops::Conv*>(op.get()))
    fits = pad->value == 0 && add_pads(*conv, pad->pads);
  else if (auto* average = dynamic_cast<ops::AveragePool*>(op.get()))
    fits = into_average_pool(*average, *pad);
  else if (auto* max = dynamic_cast<ops::MaxPool*>(op.get()))
    fits = into_max_pool(*max, *pad, x);
  if (!fits) return false;
  std::vector<Value*> inputs = user->inputs();
  inputs[0] = x;
  become(graph, user, std::move(op), inputs);
  return true;
}

struct FoldPad : Sweep {
  const char* name() const override { return "fold_pad"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) changed |= fold(graph, node);
    return changed;
  }
};

}  // namespace

std::unique_ptr<Pass> fold_pad() { return std::make_unique<FoldPad>(); }

}  // namespace hone::passes
