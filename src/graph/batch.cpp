#include "graph/batch.hpp"

#include <map>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/shape/expand.hpp"
#include "graph/ops/shape/reshape.hpp"

namespace hone {

namespace {

using FirstSizes = std::map<const Value*, Dim>;

bool leads_with(const Value* value, const Dim& size) {
  const Shape& shape = value->shape();
  return shape.rank() > 0 && shape[0] == size;
}

/// A constant list of sizes in input `index` of a node that begins with the batch, as what it resizes does.
std::vector<int64_t> sizes_with_batch(const Node& node, size_t index, const Dim& old_batch) {
  const Value* sizes = node.input(index);
  if (!sizes || !sizes->is_constant() || node.input(0)->is_constant()) return {};
  if (!old_batch.known() || !leads_with(node.input(0), old_batch)) return {};
  std::vector<int64_t> wanted = sizes->constant().to_ints();
  if (wanted.empty() || wanted[0] != old_batch.value) return {};
  return wanted;
}

void set_sizes(Graph& graph, Node* node, size_t index, const std::vector<int64_t>& sizes) {
  Dims count{static_cast<int64_t>(sizes.size())};
  graph.set_input(node, index, graph.add_constant(node->input(index)->name, Tensor::of<int64_t>(count, sizes)));
}

/// Reshape(x, [batch, ...]) of an x that leads with the batch  =>  Reshape(x, [0, ...]): 0 copies the size of x.
void free_reshape(Graph& graph, Node* node, const Dim& old_batch) {
  const auto* reshape = node->as<ops::Reshape>();
  if (!reshape || reshape->allowzero) return;
  std::vector<int64_t> wanted = sizes_with_batch(*node, 1, old_batch);
  if (wanted.empty()) return;
  wanted[0] = 0;
  set_sizes(graph, node, 1, wanted);
}

/// Resize(x, sizes=[batch, c, h, w])  =>  Resize(x, sizes=[c, h, w]) {axes=[1, 2, 3]}
void free_resize(Graph& graph, Node* node, const Dim& old_batch) {
  auto* resize = node->as<ops::Resize>();
  if (!resize || !resize->axes.empty() || resize->keep_aspect_ratio_policy != "stretch") return;
  if (node->input(1) && !(node->input(1)->is_constant() && node->input(1)->constant().size() == 0)) return;
  std::vector<int64_t> wanted = sizes_with_batch(*node, 3, old_batch);
  if (static_cast<int>(wanted.size()) != node->input(0)->shape().rank() || wanted.size() < 2) return;
  for (size_t i = 1; i < wanted.size(); ++i) resize->axes.push_back(static_cast<int64_t>(i));
  wanted.erase(wanted.begin());
  set_sizes(graph, node, 3, wanted);
}

/// Expand(x, [batch, ...]) of an x that leads with the batch  =>  Expand(x, [1, ...])
void free_expand(Graph& graph, Node* node, const Dim& old_batch) {
  if (!node->as<ops::Expand>() || old_batch == Dim(1)) return;
  std::vector<int64_t> wanted = sizes_with_batch(*node, 1, old_batch);
  if (static_cast<int>(wanted.size()) != node->input(0)->shape().rank()) return;
  wanted[0] = 1;
  set_sizes(graph, node, 1, wanted);
}

/// Throws where a result of the graph keeps the old batch although the node that cut it off was given the new one.
void check_outputs(const Graph& graph, const FirstSizes& before, const Dim& batch) {
  auto stays = [&](const Value* value) {
    auto found = before.find(value);
    return found != before.end() && leads_with(value, found->second);
  };
  const Node* culprit = nullptr;
  std::map<const Value*, const Node*> cut;  // values that keep the old batch, and where it began
  for (auto& node : graph.nodes()) {
    if (node->is("Shape") || node->is("Size")) continue;
    const Node* from = nullptr;
    for (const Value* input : node->inputs()) {
      if (!input) continue;
      if (auto found = cut.find(input); found != cut.end()) from = found->second;
      else if (leads_with(input, batch) && !input->is_constant()) from = node.get();
      if (from) break;
    }
    if (from)
      for (const Value* output : node->outputs())
        if (stays(output)) cut[output] = from;
  }
  for (const GraphOutput& output : graph.outputs())
    if (auto found = cut.find(output.value); found != cut.end()) culprit = found->second;
  if (culprit)
    throw Error(culprit->place(),
                fmt::format("its result stays {} when its input becomes a batch of {}",
                            to_string(culprit->output()->shape()), to_string(batch)));
}

}  // namespace

void set_batch(Graph& graph, const Dim& batch) {
  FirstSizes before;
  for (Value* input : graph.inputs()) {
    Type type = input->type;
    if (type.shape.rank() < 2 || type.shape[0] == batch) continue;
    const Dim old_batch = type.shape[0];
    for (Node* node : graph.node_list()) {
      for (const Value* output : node->outputs())
        if (old_batch.known() && leads_with(output, old_batch)) before[output] = old_batch;
      free_reshape(graph, node, old_batch);
      free_resize(graph, node, old_batch);
      free_expand(graph, node, old_batch);
    }
    type.shape[0] = batch;
    graph.set_input_type(input, type);
  }
  graph.infer();
  check_outputs(graph, before, batch);
}

}  // namespace hone
