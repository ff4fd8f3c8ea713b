#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/quant/qlinear_conv.hpp"

// QLinearConv and QLinearMatMul => QuantizeLinear(Conv(DequantizeLinear ...)): the one form that everything after it
// knows.
namespace hone {

namespace {

/// A constant scale or zero point per channel needs an axis; one number needs none.
Value* dequantize(Graph& graph, Node* node, size_t data, size_t scale, size_t zero, int64_t axis) {
  Attributes attributes;
  if (node->input(scale)->shape().is_static() && element_count(node->input(scale)->shape().concrete()) > 1)
    attributes["axis"] = axis;
  std::vector<Value*> inputs{node->input(data), node->input(scale)};
  if (node->input(zero)) inputs.push_back(node->input(zero));
  return graph.insert_before(node, new_op("DequantizeLinear", attributes), inputs, node->name + "/dequantize")
      ->output();
}

/// The i32 bias has the scale x_scale * w_scale.
Value* dequantize_bias(Graph& graph, Node* node) {
  std::vector<float> scales = node->input(4)->constant().to_floats();
  float x_scale = node->input(1)->constant().to_floats()[0];
  std::vector<float> bias = node->input(8)->constant().to_floats();
  for (size_t c = 0; c < bias.size(); ++c) bias[c] *= x_scale * scales[scales.size() == 1 ? 0 : c];
  return graph.add_constant(node->name + "/bias", Tensor::of<float>({static_cast<int64_t>(bias.size())}, bias));
}

void finish(Graph& graph, Node* node, Node* computed) {
  Node* quantize = graph.insert_before(node, new_op("QuantizeLinear"),
                                       {computed->output(), node->input(6), node->input(7)}, node->name + "/quantize");
  graph.replace_uses(node->output(), quantize->output());
}

bool constants(const Node& node, std::initializer_list<size_t> inputs) {
  for (size_t i : inputs)
    if (node.input(i) && !node.input(i)->is_constant()) return false;
  return true;
}

void dissolve(Graph& graph, Node* node) {
  bool conv = node->as<ops::QLinearConv>() != nullptr;
  if (!conv && !node->is("QLinearMatMul")) return;
  if (!constants(*node, {1, 2, 4, 5, 6, 7})) return;
  if (!conv) {
    // [M, K] x [K, N]: scales of b are per column; those of a and y one number.
    if (node->input(1)->constant().size() != 1 || node->input(6)->constant().size() != 1) return;
    int64_t rank = node->input(3)->shape().ranked ? node->input(3)->shape().rank() : 0;
    if (rank < 2 || (rank > 2 && node->input(4)->constant().size() != 1)) return;
    Value *a = dequantize(graph, node, 0, 1, 2, 0), *b = dequantize(graph, node, 3, 4, 5, 1);
    return finish(graph, node, graph.insert_before(node, new_op("MatMul"), {a, b}, node->name + "/product"));
  }
  if (!constants(*node, {8})) return;
  std::vector<Value*> inputs{dequantize(graph, node, 0, 1, 2, 1), dequantize(graph, node, 3, 4, 5, 0)};
  if (node->input(8)) inputs.push_back(dequantize_bias(graph, node));
  finish(graph, node,
         graph.insert_before(node, new_op("Conv", get_attributes(node->op())), inputs, node->name + "/conv"));
}

}  // namespace

void dissolve_qlinear(Graph& graph) {
  for (Node* node : graph.node_list()) dissolve(graph, node);
  graph.remove_dead();
}

}  // namespace hone
