#include <algorithm>

#include "base/interrupt.hpp"
#include "quantize/build.hpp"
#include "quantize/layer.hpp"
#include "quantize/methods/adaround.hpp"
#include "quantize/methods/error_feedback.hpp"

namespace hone {

namespace {

// Input vectors of the layers that learn at the same time may take this much.
constexpr size_t most_bytes = 192 << 20, most_layer_bytes = 32 << 20;
constexpr int64_t most_rows = 2048, least_rows = 256, most_samples = 32;
constexpr int64_t most_length = 1280;  // weights of a channel that errors are fed back among

int64_t rows_for(int64_t width) {
  int64_t fitting = static_cast<int64_t>(most_layer_bytes / sizeof(float)) / std::max<int64_t>(1, width);
  return std::clamp(fitting, least_rows, most_rows);
}

void round_all(Tensor& tensor, const TensorQuant& quant) {
  for (float& value : tensor.mutable_data<float>()) value = round_trip(value, quant);
}

}  // namespace

// Visits each layer with input vectors from some of the kept samples, a few layers at a time. `exact`: inputs are those
// of the f32 model, else they are rounded as the layer will get them.
void Build::with_inputs(const std::vector<Node*>& open, bool exact,
                        const std::function<void(Node*, const LayerInputs&)>& visit) {
  for (size_t begin = 0; begin < open.size();) {
    std::vector<Node*> layers;
    std::vector<std::string> names;
    std::vector<LayerInputs> inputs;
    size_t bytes = 0;
    while (begin < open.size() && (layers.empty() || bytes < most_bytes)) {
      Node* layer = open[begin++];
      int64_t width = LayerInputs(*layer, 1).width();
      bytes += static_cast<size_t>(width * rows_for(width)) * sizeof(float);
      layers.push_back(layer);
      names.push_back(layer_input(*layer)->name);
      inputs.emplace_back(*layer, rows_for(width));
    }
    const auto& kept = from_.samples_->kept();
    Probe probe(from_.graph_, names, from_.make_runner_);
    int64_t used = std::min<int64_t>(most_samples, static_cast<int64_t>(kept.size()));
    for (int64_t s = 0; s < used; ++s) {
      check_interrupt("quantize");
      std::vector<Tensor> values = probe.run(kept[static_cast<size_t>(s)]);
      for (size_t i = 0; i < layers.size(); ++i) {
        Tensor value = values[i];
        if (!exact) {
          value = value.clone();
          round_all(value, quant_of(layer_input(*layers[i])));
        }
        inputs[i].add(value, (rows_for(inputs[i].width()) + used - 1) / used, static_cast<uint64_t>(s) * 1000 + i);
      }
    }
    for (size_t i = 0; i < layers.size(); ++i) visit(layers[i], inputs[i]);
  }
}

void Build::learn_rounding(Progress& progress) {
  std::vector<Node*> open;
  for (Node* layer : placement_.layers)
    if (LayerInputs::supports(*layer) && weight_axis(*layer) >= 0 && !from_.learned_.count(layer->name))
      open.push_back(layer);
  progress.begin("learn rounding", static_cast<int64_t>(open.size()));
  int64_t done = 0;
  with_inputs(open, false, [&](Node* layer, const LayerInputs& inputs) {
    LayerSettings settings = settings_of(*layer);
    QuantizedWeights quantized = nearest_weights(*layer, settings);
    std::vector<Node*> tail = fused_tail(graph_, *layer, [](const Node&) { return false; });
    bool relu = !tail.empty() && tail.back()->is("Relu");
    auto rounder = [&](const RoundingProblem& problem) {
      return hone::learn_rounding(problem, {.iterations = options_.rounding_iterations});
    };
    if (inputs.round(quantized, settings.bias, relu, settings.largest, rounder))
      from_.learned_[layer->name] = quantized;
    progress.update(++done);
  });
  progress.end();
}

// With the mean of the error taken back by the bias, and without.
void Build::round_with_feedback(Progress& progress) {
  std::vector<Node*> open;
  for (Node* layer : placement_.layers)
    if (LayerInputs::supports(*layer) && weight_axis(*layer) >= 0 && LayerInputs(*layer, 1).length() <= most_length &&
        !from_.fed_back_.count(layer->name))
      open.push_back(layer);
  progress.begin("round weights", static_cast<int64_t>(open.size()));
  int64_t done = 0;
  with_inputs(open, true, [&](Node* layer, const LayerInputs& inputs) {
    LayerSettings settings = settings_of(*layer);
    const double step = quant_of(layer_input(*layer)).scale;
    for (bool centered : {false, true}) {
      QuantizedWeights& quantized = from_.fed_back_[layer->name][centered];
      quantized = nearest_weights(*layer, settings);
      inputs.round(quantized, {}, false, settings.largest, [&](const RoundingProblem& problem) {
        return hone::round_with_feedback(problem, step, centered);
      });
    }
    progress.update(++done);
  });
  progress.end();
}

const QuantizedWeights& Build::weights_of(const Node& layer, const LayerSettings& settings) {
  if (options_.adaptive_rounding) {
    auto learned = from_.learned_.find(layer.name);
    if (learned != from_.learned_.end()) {
      ++report_.layers_rounded;
      return learned->second;
    }
  }
  const QuantizedWeights& nearest = nearest_weights(layer, settings);
  auto found = from_.fed_back_.find(layer.name);
  if (found == from_.fed_back_.end() || !options_.error_feedback) return nearest;
  const bool centered = options_.bias_correction != BiasCorrection::none && settings.place;
  const QuantizedWeights& fed_back = found->second[centered];
  return fed_back.scales == nearest.scales ? fed_back : nearest;
}

}  // namespace hone
