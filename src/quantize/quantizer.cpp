#include "quantize/quantizer.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "graph/cost.hpp"
#include "optimize/any_batch.hpp"
#include "quantize/build.hpp"
#include "quantize/layer.hpp"
#include "quantize/methods/batch_norm.hpp"
#include "quantize/methods/bias_correction.hpp"
#include "quantize/methods/depthwise_inputs.hpp"
#include "quantize/methods/equalize.hpp"
#include "quantize/methods/smooth.hpp"
#include "quantize/methods/tied_channels.hpp"

namespace hone {

namespace {

constexpr double default_alpha = 0.5;  // Xiao et al. 2022, section 4

void check_options(const QuantizeOptions& options) {
  if (options.subset_size < 1)
    throw Error("quantize", fmt::format("subset size is {}, expected at least 1", options.subset_size));
  if (!(options.percentile > 50 && options.percentile <= 100))
    throw Error("quantize", fmt::format("percentile is {}, expected more than 50 and at most 100", options.percentile));
  if (options.smooth_alpha > 1)
    throw Error("quantize", fmt::format("smooth_alpha is {}, expected 0 to 1", options.smooth_alpha));
  if (!(options.sensitive_share >= 0 && options.sensitive_share <= 1))
    throw Error("quantize", fmt::format("sensitive_share is {}, expected 0 to 1", options.sensitive_share));
  if (options.rounding_iterations < 1)
    throw Error("quantize",
                fmt::format("rounding iterations are {}, expected at least 1", options.rounding_iterations));
  saturates(options.target_device);
}

void refuse_quantized(const Graph& graph) {
  for (auto& node : graph.nodes()) {
    std::string type = node->op().type();
    if (type == "QuantizeLinear" || type == "DequantizeLinear" || type == "DynamicQuantizeLinear" ||
        type.starts_with("QLinear") || type.ends_with("Integer"))
      throw Error(node->place(), "the model is already quantized", "quantize the fp32 model it was made from");
  }
}

void require_layers(const QuantizerPlacement& placement) {
  if (!placement.int8.empty()) return;
  std::map<std::string, int> reasons;
  for (const NodeReport& node : placement.nodes) ++reasons[fmt::format("{}: {}", node.op, node.reason)];
  std::string text;
  for (auto& [reason, count] : reasons) text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, reason);
  if (text.empty()) text = "it has no nodes that compute floats";
  throw Error("quantize", fmt::format("nothing in the model can be quantized ({})", text),
              "int8 needs at least one Conv, ConvTranspose, Gemm or MatMul with f32 input");
}

}  // namespace

Quantizer::Quantizer(const Graph& model, const CalibrationSource& calibration, const MakeRunner& make_runner,
                     const QuantizeOptions& options, Progress& progress, bool revertible)
    : options_(options), calibration_(calibration), make_runner_(make_runner), original_(original_names(model)),
      graph_(model.clone()) {
  check_options(options_);
  refuse_quantized(model);
  PassOptions passes;
  if (options_.batch_norm_statistics) passes.disabled = {"split_batch_norm"};
  optimize_for_any_batch(graph_, passes);
  require_layers(place_quantizers(graph_, options_, original_));
  for (const Node* layer : constant_layers(graph_))
    for (size_t input : {1, 2}) check_finite(*layer, input);
  samples_ = std::make_unique<SampleStream>(graph_, calibration_, options_.subset_size);
  prepare(progress);
  placement_ = place_quantizers(graph_, options_, original_);
  observe_values(revertible || options_.sensitive_share > 0, progress);
  count_macs();
}

void Quantizer::prepare(Progress& progress) {
  if (options_.equalize) prepared_.channels_equalized = equalize(graph_);
  if (options_.align_channels) align_channels(progress);
  double alpha = options_.smooth_alpha;
  if (alpha < 0) alpha = options_.model_type == ModelType::transformer ? default_alpha : 0;
  std::map<std::string, int> inputs = alpha > 0 ? smoothable_inputs(graph_) : std::map<std::string, int>();
  std::map<std::string, Observed> wanted;
  for (auto& [name, axis] : inputs) wanted[name].magnitude_axis = axis;
  std::map<std::string, std::vector<float>> magnitudes;
  for (auto& [name, seen] : observe_kept(wanted, progress)) magnitudes[name] = seen.magnitudes;
  prepared_.layers_smoothed = smooth(graph_, magnitudes, alpha);
}

void Quantizer::align_channels(Progress& progress) {
  const std::map<std::string, int> depthwise = depthwise_inputs(graph_);
  const std::vector<TiedChannels> groups = tied_channels(graph_);
  std::map<std::string, Observed> wanted;
  std::set<std::string> quantized;
  for (const ScaleClass& shared : place_quantizers(graph_, options_, original_).classes)
    for (const Value* member : shared.members) quantized.insert(member->name);
  for (auto& [name, axis] : depthwise) wanted[name].magnitude_axis = axis;
  for (const TiedChannels& group : groups) {
    for (const Value* value : group.values)
      if (quantized.count(value->name)) wanted[value->name].magnitude_axis = 1;
    for (const Node* reader : group.readers) wanted[reader->input(0)->name].square_axis = 1;
  }
  Observations seen;
  try {
    seen = observe_kept(wanted, progress);
  } catch (const Error&) {
    // The first value that is not finite may be one that this does not look at: that one is to be named.
    for (const std::string& name : quantized) wanted[name];
    observe_kept(wanted, progress);
    throw;
  }
  std::map<std::string, std::vector<float>> magnitudes;
  for (auto& [name, axis] : depthwise) magnitudes[name] = seen.at(name).magnitudes;
  std::vector<std::string> scaled;
  prepared_.depthwise_inputs_aligned = align_depthwise_inputs(graph_, magnitudes, &scaled);
  for (const TiedChannels& group : groups) {
    if (!align_tied_channels(graph_, group, seen, quantized)) continue;
    ++prepared_.tied_channels_aligned;
    for (const Value* value : group.values) scaled.push_back(value->name);
  }
  if (!scaled.empty()) graph_.metadata[scaled_channels_key] = fmt::format("{}", fmt::join(scaled, "\n"));
}

/// What the samples that are kept show; the others come once only.
Observations Quantizer::observe_kept(const std::map<std::string, Observed>& wanted, Progress& progress) {
  if (wanted.empty()) return {};
  samples_->kept_only(true);
  Observations seen = observe(graph_, in_graph_order(graph_, wanted), make_runner_, *samples_, progress);
  samples_->kept_only(false);
  return seen;
}

void Quantizer::observe_values(bool revertible, Progress& progress) {
  std::map<std::string, Observed> wanted;
  for (const ScaleClass& shared : placement_.classes) {
    wanted[shared.representative->name].range = true;
    // With fewer int8 nodes, another member may become the representative.
    if (revertible)
      for (const Value* member : shared.members) wanted[member->name].range = true;
  }
  for (const Node* layer : placement_.layers) {
    int axis = input_channel_axis(*layer);
    if (options_.bias_correction != BiasCorrection::none && axis >= 0)
      wanted[layer_input(*layer)->name].mean_axis = axis;
  }
  observations_ =
      observe(graph_, in_graph_order(graph_, wanted), make_runner_, *samples_, progress, &prepared_.samples);
}

void Quantizer::count_macs() {
  Graph sized = graph_.clone();
  const std::vector<Tensor>& sample = samples_->kept()[0];
  for (size_t i = 0; i < sample.size(); ++i)
    sized.set_input_type(sized.inputs()[i], {sample[i].dtype(), Shape(sample[i].dims())});
  sized.infer();
  for (auto& node : sized.nodes())
    if (is_layer_type(*node)) macs_[node->name] = node_flops(*node) / 2;
}

double Quantizer::macs(const std::string& node) const {
  auto found = macs_.find(node);
  return found == macs_.end() ? 0 : found->second;
}

std::vector<std::string> Quantizer::units() const {
  std::vector<std::string> names;
  for (const Node* node : placement_.units) names.push_back(node->name);
  return names;
}

const ChannelSums* Quantizer::rounding(const std::string& value, const TensorQuant& quant) const {
  auto found = rounding_.find(value);
  return found != rounding_.end() && found->second.first == quant ? &found->second.second : nullptr;
}

void Quantizer::measure(const std::map<std::string, TensorQuant>& quants, const std::map<std::string, int>& axes,
                        Progress& progress) {
  std::map<std::string, int> missing;
  for (auto& [name, axis] : axes)
    if (!rounding(name, quants.at(name))) missing[name] = axis;
  if (missing.empty()) return;
  for (auto& [name, sums] : measure_rounding(graph_, missing, quants, make_runner_, *samples_, progress))
    rounding_[name] = {quants.at(name), std::move(sums)};
}

Graph Quantizer::build(const QuantizeOptions& options, const std::set<std::string>& reverted, QuantizeReport* report,
                       Progress& progress) {
  check_options(options);
  const Decision& decision = decide(options, progress);
  if (decision.graph && reverted.empty()) {
    if (report) *report = decision.report, say_why(decision, {}, *report);
    return decision.graph->clone();
  }
  std::set<std::string> kept = reverted;
  for (auto& [unit, gain] : decision.sensitive) kept.insert(unit);
  Graph graph = make(decision.options, kept, report, progress);
  if (report) say_why(decision, reverted, *report);
  return graph;
}

void Quantizer::say_why(const Decision& decision, const std::set<std::string>& reverted, QuantizeReport& report) {
  for (NodeReport& node : report.nodes) {
    auto found = decision.sensitive.find(node.name);
    if (reverted.count(node.name)) node.reason = "turned back to FP32 to keep accuracy";
    else if (found != decision.sensitive.end())
      node.reason = fmt::format("sensitive: outputs are {:.1f} dB nearer to FP32's without it", found->second);
  }
}

Graph Quantizer::make(const QuantizeOptions& options, const std::set<std::string>& reverted, QuantizeReport* report,
                      Progress& progress) {
  QuantizeOptions all = options;
  all.ignored_nodes.insert(all.ignored_nodes.end(), reverted.begin(), reverted.end());
  QuantizeReport filled = prepared_;
  Graph graph = Build(*this, all, filled).run(progress);
  if (options.batch_norm_statistics)
    filled.batch_norms_measured = measure_batch_norms(graph, make_runner_, *samples_, progress);
  if (options.bias_correction == BiasCorrection::full)
    filled.biases_corrected = correct_biases(graph, graph_, make_runner_, *samples_, progress);
  for (NodeReport& node : filled.nodes) node.macs = macs(node.name);
  filled.range = options.range;
  filled.bias_correction = options.bias_correction;
  if (report) *report = std::move(filled);
  return graph;
}

}  // namespace hone
