#include "quantize/rewrite.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/ops/quant/dequantize_linear.hpp"
#include "graph/ops/quant/quantize_linear.hpp"

namespace hone {

namespace {

Tensor zero_point_tensor(const TensorQuant& quant) {
  if (quant.dtype == DType::i8) return Tensor::scalar<int8_t>(static_cast<int8_t>(quant.zero_point));
  return Tensor::scalar<uint8_t>(static_cast<uint8_t>(quant.zero_point));
}

template <class T>
Tensor quantize_as(const Tensor& values, const TensorQuant& quant) {
  Tensor result(quant.dtype, values.dims());
  auto in = values.data<float>();
  auto out = result.mutable_data<T>();
  float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  float zero = static_cast<float>(quant.zero_point);
  for (size_t i = 0; i < in.size(); ++i)
    out[i] = static_cast<T>(std::clamp(std::nearbyint(in[i] / quant.scale) + zero, low, high));
  return result;
}

}  // namespace

Rewriter::Rewriter(Graph& graph) : graph_(graph) {
  int index = 0;
  for (auto& node : graph.nodes()) order_[node.get()] = index++;
}

Value* Rewriter::scale_of(const std::string& name, const TensorQuant& quant) {
  return graph_.add_constant(name + "_scale", Tensor::scalar<float>(quant.scale));
}

Value* Rewriter::zero_point_of(const std::string& name, const TensorQuant& quant) {
  return graph_.add_constant(name + "_zero_point", zero_point_tensor(quant));
}

void Rewriter::quantize_activation(Value* value, const TensorQuant& quant, const QuantizerPlacement& placement) {
  bool made_in_int8 = value->producer() && placement.int8.count(value->producer());
  std::vector<Use> moved;
  for (const Use& use : value->uses())
    if (made_in_int8 || (placement.int8.count(use.node) && is_activation_input(*use.node, use.index)))
      moved.push_back(use);
  Node* first = std::min_element(moved.begin(), moved.end(), [&](const Use& a, const Use& b) {
                  return order_.at(a.node) < order_.at(b.node);
                })->node;
  std::string name = value->name;
  Value *scale = scale_of(name, quant), *zero_point = zero_point_of(name, quant);
  Node* quantizer = graph_.insert_before(first, std::make_unique<ops::QuantizeLinear>(), {value, scale, zero_point},
                                         name + "_quantized");
  Node* dequantizer = graph_.insert_before(first, std::make_unique<ops::DequantizeLinear>(),
                                           {quantizer->output(), scale, zero_point}, name + "_dequantized");
  if (made_in_int8) {
    graph_.replace_uses_except(value, dequantizer->output(), quantizer);
  } else {
    for (const Use& use : moved) graph_.set_input(use.node, static_cast<size_t>(use.index), dequantizer->output());
  }
}

Value* Rewriter::dequantized(Node* position, const std::string& name, Tensor values, Tensor scales, Tensor zeros,
                             int axis) {
  auto op = std::make_unique<ops::DequantizeLinear>();
  if (axis >= 0) op->axis = axis;
  std::vector<Value*> inputs{graph_.add_constant(name + "_quantized", std::move(values)),
                             graph_.add_constant(name + "_scale", std::move(scales)),
                             graph_.add_constant(name + "_zero_point", std::move(zeros))};
  return graph_.insert_before(position, std::move(op), inputs, name + "_dequantized")->output();
}

void Rewriter::quantize_constant(const Use& use, const TensorQuant& quant) {
  Value* constant = use.node->input(static_cast<size_t>(use.index));
  const Tensor& values = constant->constant();
  Tensor small = quant.dtype == DType::i8 ? quantize_as<int8_t>(values, quant) : quantize_as<uint8_t>(values, quant);
  Value* result = dequantized(use.node, constant->name, std::move(small), Tensor::scalar<float>(quant.scale),
                              zero_point_tensor(quant), -1);
  graph_.set_input(use.node, static_cast<size_t>(use.index), result);
}

void Rewriter::set_weights(Node* layer, const QuantizedWeights& weights) {
  Dims dims;
  if (weights.axis >= 0) dims = {static_cast<int64_t>(weights.scales.size())};
  Value* result = dequantized(layer, layer->input(1)->name, weights.values, Tensor::of<float>(dims, weights.scales),
                              Tensor::zeros(DType::i8, dims), weights.axis);
  graph_.set_input(layer, 1, result);
}

void Rewriter::set_bias(Node* layer, const std::vector<float>& bias, float input_scale,
                        const std::vector<float>& weight_scales) {
  std::vector<float> scales;
  for (size_t i = 0; i < bias.size(); ++i) scales.push_back(input_scale * weight_scales[i % weight_scales.size()]);
  Dims dims{static_cast<int64_t>(bias.size())};
  std::string name = layer->input(2) ? layer->input(2)->name : layer->name + "_bias";
  Value* result = dequantized(layer, name, quantize_bias(bias, input_scale, weight_scales),
                              Tensor::of<float>(dims, scales), Tensor::zeros(DType::i32, dims), 0);
  graph_.set_input(layer, 2, result);
}

}  // namespace hone
