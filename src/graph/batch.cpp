#include "graph/batch.hpp"

#include "graph/ops/shape/reshape.hpp"

namespace hone {

namespace {

bool leads_with(const Value* value, const Dim& size) {
  const Shape& shape = value->shape();
  return shape.rank() > 0 && shape[0] == size;
}

/// Reshape(x, [batch, ...]) of an x that leads with the batch  =>  Reshape(x, [0, ...]): 0 copies the size of x.
void free_reshape(Graph& graph, Node* node, const Dim& old_batch) {
  const auto* reshape = node->as<ops::Reshape>();
  const Value* sizes = node->input(1);
  if (!reshape || reshape->allowzero || !sizes || !sizes->is_constant() || node->input(0)->is_constant()) return;
  if (!old_batch.known() || !leads_with(node->input(0), old_batch)) return;
  std::vector<int64_t> wanted = sizes->constant().to_ints();
  if (wanted.empty() || wanted[0] != old_batch.value) return;
  wanted[0] = 0;
  Dims count{static_cast<int64_t>(wanted.size())};
  graph.set_input(node, 1, graph.add_constant(sizes->name, Tensor::of<int64_t>(count, wanted)));
}

}  // namespace

void set_batch(Graph& graph, const Dim& batch) {
  for (Value* input : graph.inputs()) {
    Type type = input->type;
    if (type.shape.rank() < 2 || type.shape[0] == batch) continue;
    for (Node* node : graph.node_list()) free_reshape(graph, node, type.shape[0]);
    type.shape[0] = batch;
    graph.set_input_type(input, type);
  }
  graph.infer();
}

}  // namespace hone
