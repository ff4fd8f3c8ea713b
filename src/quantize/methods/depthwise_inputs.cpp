#include "quantize/methods/depthwise_inputs.hpp"

#include <algorithm>
#include <cmath>

#include "graph/ops/fused/fused.hpp"
#include "graph/ops/nn/conv.hpp"
#include "quantize/int8_ops.hpp"

namespace hone {

namespace {

constexpr float most = 1000;            // a channel that is nearly always 0 stays near 0
constexpr double least_gain = 0.5;      // bits that an average channel must win

bool is_depthwise(const Node& node) {
  const auto* conv = node.as<ops::Conv>();
  return conv && conv->group > 1 && constant_f32(node.input(1)) && node.input(1)->constant().dim(1) == 1 &&
         node.output()->shape().rank() == 4;
}

std::vector<Node*> readers(const Value* value) {
  std::vector<Node*> nodes;
  for (const Use& use : value->uses())
    if (use.index == 0 && is_depthwise(*use.node)) nodes.push_back(use.node);
  return nodes;
}

/// What the least value of an activation is relative to 1: aligning must not make it as large as the largest.
float lower_end(const Node& producer) {
  ops::FusedActivation activation;
  if (!ops::fusable_activation(producer, activation)) return 0;
  if (activation.name == "Swish") return 0.2785F / activation.alpha;
  if (activation.name == "HardSwish") return 0.375F;
  if (activation.name == "Mish") return 0.3088F;
  if (activation.name == "Gelu") return 0.17F;
  return 0;
}

std::vector<float> factors_for(const Node& producer, const std::vector<float>& magnitudes) {
  float largest = *std::max_element(magnitudes.begin(), magnitudes.end());
  float floor = 4 * lower_end(producer);  // what is below 0 may take a fifth of the range
  std::vector<float> factors(magnitudes.size(), 1);
  if (!(largest > 0) || largest <= floor) return {};
  double bits = 0;
  for (size_t c = 0; c < factors.size(); ++c) {
    factors[c] = std::min(most, largest / std::max({magnitudes[c], floor, largest / most}));
    bits += std::log2(factors[c]);
  }
  return bits >= least_gain * static_cast<double>(factors.size()) ? factors : std::vector<float>();
}

/// The convolution whose weights can take the factors over, or nullptr.
Node* scalable_layer(const Graph& graph, Node* producer) {
  auto single = [&](const Value* value) { return graph.use_count(value) == 1 && value->uses().size() == 1; };
  Node* layer = producer;
  if (producer->is("Relu") || producer->is("LeakyRelu") || producer->is("Clip")) {
    if (!single(producer->input(0)) || !producer->input(0)->producer()) return nullptr;
    ops::FusedActivation clip;
    if (producer->is("Clip") &&
        !(ops::fusable_activation(*producer, clip) && clip.alpha == 0 && std::isfinite(clip.beta)))
      return nullptr;
    layer = producer->input(0)->producer();
  }
  bool constant_bias = layer->inputs().size() < 3 || !layer->input(2) || constant_f32(layer->input(2));
  return layer->as<ops::Conv>() && constant_f32(layer->input(1)) && constant_bias ? layer : nullptr;
}

/// Multiplies (or divides) the blocks of a constant along its first axis.
void scale_blocks(Graph& graph, Node* node, size_t input, const std::vector<float>& factors, bool divide) {
  Value* value = node->input(input);
  Tensor copy = value->constant().clone();
  auto data = copy.mutable_data<float>();
  size_t block = data.size() / factors.size();
  for (size_t i = 0; i < data.size(); ++i) divide ? data[i] /= factors[i / block] : data[i] *= factors[i / block];
  graph.set_input(node, input, graph.add_constant(value->name + "_aligned", copy));
}

void scale_layer(Graph& graph, Node* layer, Node* producer, const std::vector<float>& factors, float largest) {
  scale_blocks(graph, layer, 1, factors, false);
  if (layer->inputs().size() > 2 && layer->input(2)) scale_blocks(graph, layer, 2, factors, false);
  if (producer->is("Clip"))
    graph.set_input(producer, 2, graph.add_constant(producer->name + "_aligned/max", Tensor::scalar(largest)));
}

void insert_product(Graph& graph, Value* value, const std::vector<float>& factors) {
  Value* constant = graph.add_constant(value->name + "_aligned/factor",
                                       Tensor::of<float>({1, static_cast<int64_t>(factors.size()), 1, 1}, factors));
  Node* product =
      graph.insert_before(readers(value)[0], make_op("", "Mul"), {value, constant}, value->name + "_aligned");
  graph.replace_uses_except(value, product->output(), product);
}

}  // namespace

std::map<std::string, int> depthwise_inputs(const Graph& graph) {
  std::map<std::string, int> result;
  for (auto& node : graph.nodes()) {
    if (!is_depthwise(*node)) continue;
    const Value* value = node->input(0);
    const Node* producer = value->producer();
    ops::FusedActivation activation;
    bool layer = producer && (producer->is("Conv") ||
                              (ops::fusable_activation(*producer, activation) && producer->input(0)->producer() &&
                               producer->input(0)->producer()->is("Conv")));
    if (layer && readers(value).size() == graph.use_count(value)) result[value->name] = 1;
  }
  return result;
}

int align_depthwise_inputs(Graph& graph, const std::map<std::string, std::vector<float>>& magnitudes,
                           std::vector<std::string>* names) {
  int count = 0;
  for (auto& [name, channels] : magnitudes) {
    Value* value = graph.find_value(name);
    std::vector<Node*> convs = readers(value);
    std::vector<float> factors = channels.empty() ? std::vector<float>() : factors_for(*value->producer(), channels);
    if (factors.empty() || convs.empty()) continue;
    for (Node* conv : convs) scale_blocks(graph, conv, 1, factors, true);
    if (Node* layer = scalable_layer(graph, value->producer())) {
      scale_layer(graph, layer, value->producer(), factors, *std::max_element(channels.begin(), channels.end()));
      if (names) names->insert(names->end(), {value->name, layer->output()->name});
    } else {
      insert_product(graph, value, factors);
    }
    ++count;
  }
  return count;
}

}  // namespace hone
