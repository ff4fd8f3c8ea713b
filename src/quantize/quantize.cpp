#include "quantize/quantize.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "optimize/pass_manager.hpp"
#include "quantize/names.hpp"
#include "quantize/observer.hpp"
#include "quantize/placement.hpp"
#include "quantize/rewrite.hpp"
#include "quantize/weights.hpp"

namespace hone {

namespace {

void check_options(const QuantizeOptions& options) {
  if (options.subset_size < 1)
    throw Error("quantize", fmt::format("subset size is {}, expected at least 1", options.subset_size));
  if (!(options.percentile > 50 && options.percentile <= 100))
    throw Error("quantize", fmt::format("percentile is {}, expected more than 50 and at most 100", options.percentile));
}

void refuse_quantized(const Graph& graph) {
  for (auto& node : graph.nodes()) {
    std::string type = node->op().type();
    if (type == "QuantizeLinear" || type == "DequantizeLinear" || type == "DynamicQuantizeLinear" ||
        type.starts_with("QLinear") || type.ends_with("Integer"))
      throw Error(node->place(), "the model is already quantized", "quantize the fp32 model it was made from");
  }
}

void require_layers(const Placement& placement) {
  if (!placement.int8.empty()) return;
  std::map<std::string, int> reasons;
  for (const NodeReport& node : placement.nodes) ++reasons[fmt::format("{}: {}", node.op, node.reason)];
  std::string text;
  for (auto& [reason, count] : reasons) text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, reason);
  if (text.empty()) text = "it has no nodes that compute floats";
  throw Error("quantize", fmt::format("nothing in the model can be quantized ({})", text),
              "int8 needs at least one Conv, ConvTranspose, Gemm or MatMul with f32 input");
}

size_t only_activation(const Node& layer) { return activation_inputs(layer)[0]; }

// The channel axis of a layer's input, for its means; -1 when there is nothing to correct.
int mean_axis(const Node& layer) {
  if (layer.is("Conv") || layer.is("ConvTranspose")) return 1;
  const auto* gemm = layer.as<ops::Gemm>();
  return gemm && gemm->beta != 0 ? (gemm->transA ? 0 : 1) : -1;
}

ObservationPlan plan_observations(const Graph& graph, const Placement& placement, bool means) {
  std::map<const Value*, Observed> wanted;
  for (const ScaleClass& shared : placement.classes) wanted[shared.representative].range = true;
  for (const Node* layer : placement.layers) {
    int axis = mean_axis(*layer);
    if (means && axis >= 0) wanted[layer->input(only_activation(*layer))].mean_axis = axis;
  }
  // In the order of computation, so that the first node with NaN is named.
  ObservationPlan plan;
  auto take = [&](const Value* value) {
    auto found = wanted.find(value);
    if (found != wanted.end()) plan.push_back(*found);
  };
  for (const Value* input : graph.inputs()) take(input);
  for (auto& node : graph.nodes())
    for (const Value* output : node->outputs()) take(output);
  return plan;
}

// The bias of a layer as one number a channel of its output; empty when it has another form.
std::vector<float> bias_of(const Node& layer, size_t channels) {
  if (layer.is("MatMul")) return {};
  const Value* bias = layer.input(2);
  if (!bias) return std::vector<float>(channels, 0);
  if (!bias->is_constant() || bias->dtype() != DType::f32) return {};
  const Tensor& tensor = bias->constant();
  std::vector<float> values = tensor.to_floats();
  if (values.size() == 1) values.assign(channels, values[0]);
  bool along_channels = tensor.rank() == 0 || tensor.size() == 1 || tensor.dim(-1) == tensor.size();
  return along_channels && values.size() == channels ? values : std::vector<float>();
}

size_t output_channels(const Node& layer) {
  const Value* output = layer.output();
  const Tensor& weights = layer.input(1)->constant();
  if (layer.is("Conv")) return static_cast<size_t>(weights.dim(0));
  if (const auto* gemm = layer.as<ops::Gemm>()) return static_cast<size_t>(weights.dim(gemm->transB ? 0 : 1));
  if (layer.is("MatMul")) return static_cast<size_t>(weights.dim(-1));
  const Value* bias = layer.input(2);
  if (bias && bias->is_constant()) return static_cast<size_t>(bias->constant().size());
  return output->shape().rank() > 1 && output->shape()[1].known() ? static_cast<size_t>(output->shape()[1].value) : 0;
}

class Quantizer {
 public:
  Quantizer(Graph& graph, const QuantizeOptions& options, QuantizeReport& report)
      : graph_(graph), options_(options), report_(report) {}

  void run(const std::vector<std::string>& original_names, const CalibrationSource& source,
           const MakeRunner& make_runner, Progress& progress) {
    placement_ = place_quantizers(graph_, options_, original_names);
    require_layers(placement_);
    for (const Node* layer : placement_.layers)
      for (size_t input : {1, 2}) check_finite(*layer, input);
    ObservationPlan plan = plan_observations(graph_, placement_, options_.bias_correction);
    Observer observer(graph_, std::move(plan), make_runner);
    observer_ = &observer;
    report_.samples = observer.collect(source, options_.subset_size, progress);
    choose_ranges();
    if (options_.bias_correction) measure_rounding(progress);
    Rewriter rewriter(graph_);
    progress.begin("quantize weights", static_cast<int64_t>(placement_.layers.size()));
    int64_t done = 0;
    for (Node* layer : placement_.layers) {
      check_interrupt("quantize");
      quantize_layer(layer, rewriter);
      progress.update(++done);
    }
    progress.end();
    quantize_activations(rewriter);
    graph_.remove_dead();
    report_.nodes = placement_.nodes;
  }

 private:
  bool symmetric() const { return options_.activations == ActivationScheme::symmetric; }

  void choose_ranges() {
    for (const ScaleClass& shared : placement_.classes) {
      const Histogram& histogram = (*observer_)[shared.representative].histogram;
      bool symmetric_range = symmetric() || shared.signed_type;
      Range range = choose_range(histogram, options_.range, options_.percentile, symmetric_range);
      ranges_.push_back(range);
      quants_.push_back(shared.signed_type ? signed_quant_for(range) : quant_for(range, symmetric()));
    }
  }

  void measure_rounding(Progress& progress) {
    std::map<const Value*, TensorQuant> quants;
    for (auto& [value, index] : placement_.class_of) quants[value] = quants_[static_cast<size_t>(index)];
    observer_->measure_rounding(quants, progress);
  }

  const TensorQuant& quant_of(const Value* value) const {
    return quants_[static_cast<size_t>(placement_.class_of.at(value))];
  }

  void quantize_layer(Node* layer, Rewriter& rewriter) {
    const Value* input = layer->input(only_activation(*layer));
    float input_scale = quant_of(input).scale;
    size_t channels = output_channels(*layer);
    std::vector<float> bias = bias_of(*layer, channels);
    int axis = weight_axis(*layer);
    const Tensor& weights = layer->input(1)->constant();
    size_t scales = axis < 0 ? 1 : static_cast<size_t>(weights.dim(axis));
    int largest = options_.reduce_range ? 63 : 127;
    QuantizedWeights quantized = quantize_weights(weights, axis, least_scales(bias, input_scale, scales), largest);
    bool has_bias = layer->input(2) && !bias.empty();
    if (options_.bias_correction && !bias.empty()) has_bias |= correct_bias(*layer, quantized, input, bias);
    rewriter.set_weights(layer, quantized);
    if (has_bias) rewriter.set_bias(layer, bias, input_scale, quantized.scales);
  }

  // Takes the mean error that quantizing weights and input causes off the bias.
  bool correct_bias(const Node& layer, const QuantizedWeights& quantized, const Value* input,
                    std::vector<float>& bias) {
    if (mean_axis(layer) < 0) return false;
    std::vector<double> error = mean_output_error(layer, quantized, (*observer_)[input]);
    if (error.size() != bias.size()) return false;
    const auto* gemm = layer.as<ops::Gemm>();
    double beta = gemm ? gemm->beta : 1;
    for (size_t i = 0; i < bias.size(); ++i) bias[i] -= static_cast<float>(error[i] / beta);
    ++report_.biases_corrected;
    return true;
  }

  void quantize_activations(Rewriter& rewriter) {
    for (const Use& use : placement_.constant_inputs)
      rewriter.quantize_constant(use, quant_of(use.node->output()));
    // Values in the order of computation, so that reports read like the model.
    std::vector<Value*> values(graph_.inputs());
    for (Node* node : graph_.node_list()) values.insert(values.end(), node->outputs().begin(), node->outputs().end());
    for (Value* value : values) {
      auto found = placement_.class_of.find(value);
      if (found == placement_.class_of.end()) continue;
      size_t index = static_cast<size_t>(found->second);
      rewriter.quantize_activation(value, quants_[index], placement_);
      const Histogram& histogram = (*observer_)[placement_.classes[index].representative].histogram;
      report_.values.push_back({value->name, histogram.min(), histogram.max(), ranges_[index], quants_[index]});
    }
  }

  Graph& graph_;
  const QuantizeOptions& options_;
  QuantizeReport& report_;
  Placement placement_;
  Observer* observer_ = nullptr;  // during run()
  std::vector<Range> ranges_;       // per class
  std::vector<TensorQuant> quants_;  // per class
};

}  // namespace

Graph quantize(const Graph& model, const CalibrationSource& calibration, const MakeRunner& make_runner,
               const QuantizeOptions& options, QuantizeReport* report, Progress& progress) {
  auto start = std::chrono::steady_clock::now();
  check_options(options);
  refuse_quantized(model);
  QuantizeReport own;
  QuantizeReport& filled = report ? *report : own;
  filled = {};
  Graph graph = model.clone();
  optimize(graph);
  Quantizer(graph, options, filled).run(names_of_nodes(model), calibration, make_runner, progress);
  filled.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return graph;
}

}  // namespace hone
