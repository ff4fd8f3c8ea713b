#include <algorithm>

#include "base/interrupt.hpp"
#include "quantize/build.hpp"
#include "quantize/layer.hpp"
#include "quantize/methods/adaround.hpp"

namespace hone {

namespace {

// Input vectors of the layers that learn at the same time may take this much.
constexpr size_t most_bytes = 192 << 20, most_layer_bytes = 32 << 20;
constexpr int64_t most_rows = 2048, least_rows = 256, most_samples = 32;

int64_t rows_for(int64_t width) {
  int64_t fitting = static_cast<int64_t>(most_layer_bytes / sizeof(float)) / std::max<int64_t>(1, width);
  return std::clamp(fitting, least_rows, most_rows);
}

void round_all(Tensor& tensor, const TensorQuant& quant) {
  for (float& value : tensor.mutable_data<float>()) value = round_trip(value, quant);
}

}  // namespace

void Build::learn_rounding_of(const std::vector<Node*>& layers, Progress& progress, int64_t& done) {
  std::vector<std::string> names;
  std::vector<LayerInputs> inputs;
  for (Node* layer : layers) {
    names.push_back(layer_input(*layer)->name);
    int64_t width = LayerInputs(*layer, 1).width();
    inputs.emplace_back(*layer, rows_for(width));
  }
  const auto& kept = from_.samples_->kept();
  Probe probe(from_.graph_, names, from_.make_runner_);
  int64_t used = std::min<int64_t>(most_samples, static_cast<int64_t>(kept.size()));
  for (int64_t s = 0; s < used; ++s) {
    check_interrupt("quantize");
    std::vector<Tensor> values = probe.run(kept[static_cast<size_t>(s)]);
    for (size_t i = 0; i < layers.size(); ++i) {
      Tensor value = values[i].clone();
      round_all(value, quant_of(layer_input(*layers[i])));
      inputs[i].add(value, (rows_for(inputs[i].width()) + used - 1) / used, static_cast<uint64_t>(s) * 1000 + i);
    }
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    LayerSettings settings = settings_of(*layers[i]);
    QuantizedWeights quantized = nearest_weights(*layers[i], settings);
    std::vector<Node*> tail = fused_tail(graph_, *layers[i], [](const Node&) { return false; });
    bool relu = !tail.empty() && tail.back()->is("Relu");
    if (inputs[i].round(quantized, settings.bias, relu, settings.largest, {.iterations = options_.rounding_iterations}))
      from_.learned_[layers[i]->name] = quantized;
    progress.update(++done);
  }
}

void Build::learn_rounding(Progress& progress) {
  std::vector<Node*> open;
  for (Node* layer : placement_.layers)
    if (LayerInputs::supports(*layer) && weight_axis(*layer) >= 0 && !from_.learned_.count(layer->name))
      open.push_back(layer);
  progress.begin("learn rounding", static_cast<int64_t>(open.size()));
  int64_t done = 0;
  for (size_t begin = 0; begin < open.size();) {
    std::vector<Node*> layers;
    size_t bytes = 0;
    while (begin < open.size() && (layers.empty() || bytes < most_bytes)) {
      int64_t width = LayerInputs(*open[begin], 1).width();
      bytes += static_cast<size_t>(width * rows_for(width)) * sizeof(float);
      layers.push_back(open[begin++]);
    }
    learn_rounding_of(layers, progress, done);
  }
  progress.end();
}

}  // namespace hone
