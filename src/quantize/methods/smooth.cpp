#include "quantize/methods/smooth.hpp"

#include <algorithm>
#include <cmath>

#include "graph/ops/nn/gemm.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/layer.hpp"

namespace hone {

namespace {

constexpr float least = 1e-5F;

bool is_product(const Node& node) {
  if (!constant_f32(node.input(1)) || node.input(1)->constant().rank() != 2) return false;
  const auto* gemm = node.as<ops::Gemm>();
  return node.is("MatMul") || (gemm && !gemm->transA);
}

// w[k, n] of a product's weights as data[k * row + n * column].
struct Weights {
  int64_t inputs, outputs, row, column;
  explicit Weights(const Node& node) {
    const Tensor& w = node.input(1)->constant();
    const auto* gemm = node.as<ops::Gemm>();
    bool transposed = gemm && gemm->transB;
    inputs = w.dim(transposed ? 1 : 0), outputs = w.dim(transposed ? 0 : 1);
    row = transposed ? 1 : w.dim(1), column = transposed ? w.dim(1) : 1;
  }
};

std::vector<Node*> products_of(const Value* value) {
  std::vector<Node*> nodes;
  for (const Use& use : value->uses())
    if (use.index == 0 && is_product(*use.node)) nodes.push_back(use.node);
  return nodes;
}

std::vector<float> scales_for(const std::vector<Node*>& products, const std::vector<float>& magnitudes, double alpha) {
  std::vector<float> scales(magnitudes.size());
  for (size_t j = 0; j < scales.size(); ++j) {
    float largest = 0;
    for (const Node* node : products) {
      Weights at(*node);
      const float* w = node->input(1)->constant().data<float>().data();
      for (int64_t n = 0; n < at.outputs; ++n)
        largest = std::max(largest, std::fabs(w[static_cast<int64_t>(j) * at.row + n * at.column]));
    }
    // A channel that is always 0, or that nobody reads, stays.
    bool idle = magnitudes[j] < least || largest < least;
    scales[j] = idle ? 1.0F : static_cast<float>(std::pow(magnitudes[j], alpha) / std::pow(largest, 1 - alpha));
    scales[j] = std::clamp(scales[j], least, 1 / least);
  }
  return scales;
}

void scale_weights(Graph& graph, Node* node, const std::vector<float>& scales) {
  Value* value = node->input(1);
  Tensor w = value->constant().clone();
  float* data = w.mutable_data<float>().data();
  Weights at(*node);
  for (int64_t k = 0; k < at.inputs; ++k)
    for (int64_t n = 0; n < at.outputs; ++n) data[k * at.row + n * at.column] *= scales[static_cast<size_t>(k)];
  if (graph.use_count(value) == 1) graph.set_constant(value, w);
  else graph.set_input(node, 1, graph.add_constant(value->name + "_smooth", w));
}

// Divides one parameter of a normalization by the scales.
void divide(Graph& graph, Node* node, size_t input, const std::vector<float>& scales) {
  Value* value = node->input(input);
  std::vector<float> numbers = value->constant().to_floats();
  for (size_t j = 0; j < numbers.size(); ++j) numbers[j] /= scales[j];
  Tensor tensor = Tensor::of<float>(value->constant().dims(), numbers);
  graph.set_input(node, input, graph.add_constant(value->name + "_smooth", tensor));
}

bool folds_into_norm(const Node* norm, size_t channels) {
  if (!norm || !norm->is("LayerNormalization")) return false;
  for (size_t i : {1, 2}) {
    const Value* value = norm->input(i);
    if (!value) {
      if (i == 1) return false;
      continue;
    }
    if (!constant_f32(value) || value->constant().size() != static_cast<int64_t>(channels)) return false;
  }
  return true;
}

}  // namespace

std::map<std::string, int> smoothable_inputs(const Graph& graph) {
  std::map<std::string, int> result;
  for (auto& node : graph.nodes()) {
    if (!is_product(*node) || node->input(0)->is_constant()) continue;
    const Value* value = node->input(0);
    bool products_only = products_of(value).size() == graph.use_count(value);
    if (products_only && folds_into_norm(value->producer(), static_cast<size_t>(Weights(*node).inputs)))
      result[value->name] = input_channel_axis(*node);
  }
  return result;
}

int smooth(Graph& graph, const std::map<std::string, std::vector<float>>& magnitudes, double alpha) {
  int count = 0;
  for (auto& [name, largest] : magnitudes) {
    Value* value = graph.find_value(name);
    std::vector<Node*> products = products_of(value);
    if (products.empty() || largest.empty()) continue;
    std::vector<float> scales = scales_for(products, largest, alpha);
    for (size_t i : {1, 2})
      if (value->producer()->input(i)) divide(graph, value->producer(), i, scales);
    for (Node* product : products) scale_weights(graph, product, scales);
    count += static_cast<int>(products.size());
  }
  return count;
}

}  // namespace hone
