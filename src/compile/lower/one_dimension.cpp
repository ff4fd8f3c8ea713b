#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"

// conv(x [N, C, L]) => squeeze(conv(unsqueeze(x) [N, C, 1, L])): convolutions and pools over one dimension run on the
// kernels for two.
namespace hone {

namespace {

constexpr const char* squeezed = "/row_squeezed";  ///< marks what this step made

/// A list of one entry a spatial dimension, or of begins and ends: `fill` for the new first dimension.
void widen(Attributes& attributes, const char* name, int64_t fill) {
  auto it = attributes.find(name);
  if (it == attributes.end()) return;
  auto* list = std::get_if<std::vector<int64_t>>(&it->second);
  if (!list) return;
  if (list->size() == 1) *list = {fill, (*list)[0]};
  else if (list->size() == 2) *list = {fill, (*list)[0], fill, (*list)[1]};
}

Value* axis_of(Graph& graph, Node* node) {
  return graph.add_constant(node->name + "/axis", Tensor::of<int64_t>({1}, {2}));
}

Value* with_row(Graph& graph, Node* node, Value* x) {
  if (x->is_constant()) {
    Dims dims = x->constant().dims();
    dims.insert(dims.begin() + 2, 1);
    return graph.add_constant(x->name + "/row", x->constant().reshaped(dims));
  }
  Node* producer = x->producer();
  if (producer && producer->is("Squeeze") && producer->name.ends_with(squeezed)) return producer->input(0);
  if (producer && producer->is("DequantizeLinear") && producer->input(0)->is_constant()) {
    std::vector<Value*> inputs = producer->inputs();
    inputs[0] = with_row(graph, node, inputs[0]);
    Attributes attributes = get_attributes(producer->op());
    return graph.insert_before(node, new_op("DequantizeLinear", attributes), inputs, producer->name + "/row")->output();
  }
  return graph.insert_before(node, new_op("Unsqueeze"), {x, axis_of(graph, node)}, node->name + "/row")->output();
}

void rewrite(Graph& graph, Node* node) {
  bool weights = node->is("Conv") || node->is("ConvTranspose");
  if (!weights && !node->is("MaxPool") && !node->is("AveragePool")) return;
  const Shape& x = node->input(0)->shape();
  if (!x.is_static() || x.rank() != 3 || node->outputs().size() != 1) return;
  Attributes attributes = get_attributes(node->op());
  for (const char* name : {"kernel_shape", "strides", "dilations"}) widen(attributes, name, 1);
  for (const char* name : {"output_padding", "pads"}) widen(attributes, name, 0);
  auto shape = attributes.find("output_shape");
  if (shape != attributes.end() && !std::get<std::vector<int64_t>>(shape->second).empty()) return;
  // A per-channel axis of the weights stays what it is: 0 or 1.
  std::vector<Value*> inputs = node->inputs();
  inputs[0] = with_row(graph, node, inputs[0]);
  if (weights) inputs[1] = with_row(graph, node, inputs[1]);
  Node* made = graph.insert_before(node, new_op(node->op().type(), attributes), inputs, node->name + "/2d");
  Node* back =
      graph.insert_before(node, new_op("Squeeze"), {made->output(), axis_of(graph, node)}, node->name + squeezed);
  graph.replace_uses(node->output(), back->output());
}

}  // namespace

void add_second_dimension(Graph& graph) {
  for (Node* node : graph.node_list()) rewrite(graph, node);
  graph.remove_dead();
}

}  // namespace hone
