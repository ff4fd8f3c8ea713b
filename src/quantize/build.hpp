#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quantize/layer.hpp"
#include "quantize/quantizer.hpp"
#include "quantize/rewrite.hpp"

namespace hone {

class LayerInputs;

/// One quantized graph made from a calibrated model.
class Build {
 public:
  /// `options` has the reverted units among its ignored nodes; `report` gets what became of nodes and values.
  Build(Quantizer& from, const QuantizeOptions& options, QuantizeReport& report)
      : from_(from), options_(options), report_(report), graph_(from.graph_.clone()) {}
  Graph run(Progress& progress);

 private:
  bool symmetric() const { return options_.activations == ActivationScheme::symmetric; }
  const Observation& seen(const Value* value) const { return from_.observations_.at(value->name); }
  const TensorQuant& quant_of(const Value* value) const {
    return quants_[static_cast<size_t>(placement_.class_of.at(value))];
  }
  void choose_ranges();
  void measure_rounding(Progress& progress);
  bool add_is_part(const Node& layer) const;
  bool seven_bits(const Node& layer) const;
  bool is_first_layer(const Node& layer) const;
  // What quantizing a layer depends on.
  struct LayerSettings {
    std::optional<BiasPlace> place;
    std::vector<float> bias;          // empty without a place
    std::vector<float> least_scales;  // of the weights
    int largest = 127;
  };
  LayerSettings settings_of(Node& layer) const;
  const QuantizedWeights& nearest_weights(const Node& layer, const LayerSettings& settings);
  const QuantizedWeights& weights_of(const Node& layer, const LayerSettings& settings);
  void with_inputs(const std::vector<Node*>& open, bool exact,
                   const std::function<void(Node*, const LayerInputs&)>& visit);
  void learn_rounding(Progress& progress);
  void round_with_feedback(Progress& progress);
  void quantize_layer(Node* layer, Rewriter& rewriter);
  bool correct_bias(const Node& layer, const QuantizedWeights& quantized, float factor, std::vector<float>& bias);
  void quantize_activations(Rewriter& rewriter);
  void quantize_constants(Rewriter& rewriter);

  Quantizer& from_;
  const QuantizeOptions& options_;
  QuantizeReport& report_;
  Graph graph_;
  QuantizerPlacement placement_;
  std::vector<Range> ranges_;        // per class
  std::vector<TensorQuant> quants_;  // per class
};

}  // namespace hone
