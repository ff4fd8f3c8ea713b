#include "quantize/build.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "base/nearest.hpp"

namespace hone {

bool saturates(const std::string& target_device) {
  static const std::vector<std::string> known{"auto", "cpu", "cpu-sse", "cpu-avx2", "cpu-avx512", "cpu-vnni", "any"};
  if (std::find(known.begin(), known.end(), target_device) == known.end())
    throw Error("target device '" + target_device + "'", "is not known",
                fmt::format("expected one of {}", fmt::join(nearest_words(target_device, known).empty()
                                                                ? known
                                                                : nearest_words(target_device, known), ", ")));
  if (target_device == "auto" || target_device == "cpu") return !cpu_features().avx512_vnni;
  return target_device != "cpu-vnni";
}

Graph Build::run(Progress& progress) {
  placement_ = place_quantizers(graph_, options_, from_.original_);
  choose_ranges();
  if (options_.bias_correction != BiasCorrection::none) measure_rounding(progress);
  if (options_.adaptive_rounding) learn_rounding(progress);
  else if (options_.error_feedback) round_with_feedback(progress);
  Rewriter rewriter(graph_);
  progress.begin("quantize weights", static_cast<int64_t>(placement_.layers.size()));
  int64_t done = 0;
  for (Node* layer : placement_.layers) {
    check_interrupt("quantize");
    quantize_layer(layer, rewriter);
    progress.update(++done);
  }
  progress.end();
  quantize_constants(rewriter);
  quantize_activations(rewriter);
  graph_.remove_dead();
  report_.nodes = placement_.nodes;
  return std::move(graph_);
}

void Build::choose_ranges() {
  for (const ScaleClass& shared : placement_.classes) {
    const Observation& observation = seen(shared.representative);
    bool symmetric_range = symmetric() || shared.signed_type;
    Range range = choose_range(observation.histogram, options_.range, options_.percentile, symmetric_range,
                               observation.mean_range());
    ranges_.push_back(range);
    quants_.push_back(shared.signed_type ? signed_quant_for(range) : quant_for(range, symmetric()));
  }
}

void Build::measure_rounding(Progress& progress) {
  std::map<std::string, TensorQuant> quants;
  std::map<std::string, int> axes;
  for (Node* layer : placement_.layers) {
    const Value* input = layer_input(*layer);
    int axis = input_channel_axis(*layer);
    if (axis < 0 || !bias_place(*layer, add_is_part(*layer))) continue;
    quants[input->name] = quant_of(input);
    axes[input->name] = axis;
  }
  from_.measure(quants, axes, progress);
}

// The Add behind a MatMul is its bias when no quantizer comes between.
bool Build::add_is_part(const Node& layer) const {
  if (!layer.is("MatMul") || placement_.class_of.count(layer.output()) || graph_.use_count(layer.output()) != 1)
    return false;
  const auto& uses = layer.output()->uses();
  return uses.size() == 1 && placement_.int8.count(uses[0].node) > 0;
}

bool Build::is_first_layer(const Node& layer) const {
  std::vector<const Value*> open{layer_input(layer)};
  std::set<const Node*> seen;
  while (!open.empty()) {
    const Node* node = open.back()->producer();
    open.pop_back();
    if (!node || !seen.insert(node).second) continue;
    if (is_layer_type(*node)) return false;
    for (const Value* input : node->inputs())
      if (input) open.push_back(input);
  }
  return true;
}

bool Build::seven_bits(const Node& layer) const {
  switch (options_.saturation_fix) {
    case SaturationFix::none: return false;
    case SaturationFix::all: return true;
    case SaturationFix::first_layer: return is_first_layer(layer);
    case SaturationFix::automatic: return saturates(options_.target_device);
  }
  return false;
}

Build::LayerSettings Build::settings_of(Node& layer) const {
  LayerSettings settings{.place = bias_place(layer, add_is_part(layer)), .largest = seven_bits(layer) ? 63 : 127};
  if (settings.place) settings.bias = bias_values(*settings.place, output_channels(layer));
  int axis = weight_axis(layer);
  size_t scales = axis < 0 ? 1 : static_cast<size_t>(layer.input(1)->constant().dim(axis));
  if (settings.place && settings.place->inside)
    settings.least_scales = least_scales(settings.bias, quant_of(layer_input(layer)).scale, scales);
  return settings;
}

// Many graphs are made of the same weights, so they are kept.
const QuantizedWeights& Build::nearest_weights(const Node& layer, const LayerSettings& settings) {
  std::vector<float> key = settings.least_scales;
  key.push_back(static_cast<float>(settings.largest));
  auto& [known, weights] = from_.nearest_[layer.name];
  if (known != key) {
    weights =
        quantize_weights(layer.input(1)->constant(), weight_axis(layer), settings.least_scales, settings.largest);
    known = std::move(key);
  }
  return weights;
}

void Build::quantize_layer(Node* layer, Rewriter& rewriter) {
  LayerSettings settings = settings_of(*layer);
  const auto& place = settings.place;
  report_.seven_bits |= settings.largest == 63;
  QuantizedWeights quantized = weights_of(*layer, settings);
  bool has_bias = place && (place->node->input(place->index) || options_.bias_correction == BiasCorrection::full);
  if (options_.bias_correction != BiasCorrection::none && place)
    has_bias |= correct_bias(*layer, quantized, place->factor, settings.bias);
  rewriter.set_weights(layer, quantized);
  if (!has_bias) return;
  if (place->inside) {
    rewriter.set_bias(layer, settings.bias, quant_of(layer_input(*layer)).scale, quantized.scales);
  } else {
    const Value* old = place->node->input(place->index);
    Tensor bias = Tensor::of<float>(old->constant().dims(), settings.bias);
    graph_.set_input(place->node, place->index, graph_.add_constant(old->name + "_corrected", bias));
  }
}

// Takes the mean error that quantizing weights and input causes off the bias.
bool Build::correct_bias(const Node& layer, const QuantizedWeights& quantized, float factor, std::vector<float>& bias) {
  const Value* input = layer_input(layer);
  if (input_channel_axis(layer) < 0) return false;
  std::vector<double> error =
      mean_output_error(layer, quantized, seen(input), from_.rounding(input->name, quant_of(input)));
  if (error.size() != bias.size()) return false;
  for (size_t i = 0; i < bias.size(); ++i) bias[i] -= static_cast<float>(error[i] / factor);
  ++report_.biases_corrected;
  return true;
}

void Build::quantize_constants(Rewriter& rewriter) {
  for (const Use& use : placement_.constant_inputs) {
    if (use.node->is("Concat")) {
      rewriter.quantize_constant(use, quant_of(use.node->output()));
      continue;
    }
    Histogram histogram;
    check_finite(*use.node, static_cast<size_t>(use.index));
    histogram.add(use.node->input(static_cast<size_t>(use.index))->constant().data<float>());
    rewriter.quantize_constant(use, quant_for({histogram.min(), histogram.max()}, symmetric()));
  }
}

void Build::quantize_activations(Rewriter& rewriter) {
  // Values in the order of computation, so that reports read like the model.
  std::vector<Value*> values(graph_.inputs());
  for (Node* node : graph_.node_list()) values.insert(values.end(), node->outputs().begin(), node->outputs().end());
  for (Value* value : values) {
    auto found = placement_.class_of.find(value);
    if (found == placement_.class_of.end()) continue;
    size_t index = static_cast<size_t>(found->second);
    rewriter.quantize_activation(value, quants_[index], placement_);
    const Histogram& histogram = seen(placement_.classes[index].representative).histogram;
    report_.values.push_back({value->name, histogram.min(), histogram.max(), ranges_[index], quants_[index]});
  }
}

}  // namespace hone
