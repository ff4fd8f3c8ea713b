#include "quantize/layer.hpp"

#include "graph/ops/nn/conv_transpose.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "quantize/int8_ops.hpp"

namespace hone {

const Value* layer_input(const Node& layer) { return layer.input(activation_inputs(layer)[0]); }

int input_channel_axis(const Node& layer) {
  if (layer.is("Conv") || layer.is("ConvTranspose")) return 1;
  if (const auto* gemm = layer.as<ops::Gemm>()) return gemm->transA ? 0 : 1;
  bool plain = constant_f32(layer.input(1)) && layer.input(1)->constant().rank() == 2;
  return plain ? layer.input(0)->shape().rank() - 1 : -1;
}

int output_channel_axis(const Node& layer) {
  if (layer.is("MatMul")) return layer.output()->shape().rank() - 1;
  return 1;
}

size_t output_channels(const Node& layer) {
  const Tensor& weights = layer.input(1)->constant();
  if (layer.is("Conv")) return static_cast<size_t>(weights.dim(0));
  if (const auto* gemm = layer.as<ops::Gemm>()) return static_cast<size_t>(weights.dim(gemm->transB ? 0 : 1));
  if (const auto* conv = layer.as<ops::ConvTranspose>()) return static_cast<size_t>(weights.dim(1) * conv->group);
  return static_cast<size_t>(weights.dim(-1));
}

std::optional<BiasPlace> bias_place(Node& layer, bool add_is_part) {
  if (layer.is("MatMul")) {
    if (!add_is_part || layer.output()->uses().size() != 1) return std::nullopt;
    Node* add = layer.output()->uses()[0].node;
    int index = bias_index(*add, layer);
    if (index < 0) return std::nullopt;
    return BiasPlace{add, static_cast<size_t>(index), false, 1};
  }
  BiasPlace place{&layer, 2, true, 1};
  if (const auto* gemm = layer.as<ops::Gemm>()) place.factor = gemm->beta;
  if (const Value* bias = layer.input(2)) {
    if (!constant_f32(bias) || place.factor == 0) return std::nullopt;
    const Tensor& tensor = bias->constant();
    bool along_channels = tensor.size() == 1 || tensor.dim(-1) == tensor.size();
    size_t size = static_cast<size_t>(tensor.size());
    if (!along_channels || (size != 1 && size != output_channels(layer))) return std::nullopt;
  }
  return place;
}

std::vector<float> bias_values(const BiasPlace& place, size_t channels) {
  const Value* bias = place.node->input(place.index);
  if (!bias) return std::vector<float>(channels, 0);
  std::vector<float> values = bias->constant().to_floats();
  if (values.size() == 1) values.assign(channels, values[0]);
  return values;
}

std::vector<Node*> constant_layers(const Graph& graph) {
  std::vector<Node*> layers;
  for (Node* node : graph.node_list())
    if (int8_form(*node).form == Int8Form::layer && constant_f32(node->input(1))) layers.push_back(node);
  return layers;
}

}  // namespace hone
