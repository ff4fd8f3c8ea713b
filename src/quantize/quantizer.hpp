#pragma once
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quantize/observer.hpp"
#include "quantize/placement.hpp"
#include "quantize/samples.hpp"
#include "quantize/weights.hpp"

namespace hone {

class Trials;

/// A model that was calibrated once and can be quantized in several ways: what quantize(), accuracy control and sweeps
/// share. `calibration` and `make_runner` are used during the life of the object.
class Quantizer {
 public:
  /// Optimizes a copy of the model, prepares its weights as the options say (equalization, SmoothQuant) and observes
  /// activations. With `revertible`, units() can be kept in fp32 later on. Throws as quantize() does.
  Quantizer(const Graph& model, const CalibrationSource& calibration, const MakeRunner& make_runner,
            const QuantizeOptions& options, Progress& progress, bool revertible = false);

  /// A quantized graph. `options` may differ from those of the constructor in range method, activation scheme,
  /// bias correction (not if that was none) and the ignored nodes (if revertible); `reverted` are names of units() that
  /// stay fp32. What they leave automatic is decided with nothing reverted.
  Graph build(const QuantizeOptions& options, const std::set<std::string>& reverted, QuantizeReport* report,
              Progress& progress);

  /// The fp32 model whose numbers the quantized ones stand for.
  const Graph& exact() const { return graph_; }
  /// Int8 nodes that compute something, by name, in order.
  std::vector<std::string> units() const;
  /// Multiplications of a node for one calibration sample; 0 when it is no convolution or matrix product.
  double macs(const std::string& node) const;
  const SampleStream& samples() const { return *samples_; }
  const MakeRunner& make_runner() const { return make_runner_; }

 private:
  friend class Build;
  friend class SensitiveSearch;
  // Options with nothing left automatic, and what was made on the way.
  struct Decision {
    QuantizeOptions options;
    std::optional<Graph> graph;  ///< quantized so, if it was tried
    QuantizeReport report;
    std::map<std::string, double> sensitive;  ///< units that stay fp32, and how many dB each gains
  };
  const Decision& decide(const QuantizeOptions& options, Progress& progress);
  void try_all(Decision& best, const Trials& trials, bool open_range, bool open_bias, Progress& progress);
  void find_sensitive(Decision& decision, const Trials& trials, Progress& progress);
  static void say_why(const Decision& decision, const std::set<std::string>& reverted, QuantizeReport& report);
  Graph make(const QuantizeOptions& options, const std::set<std::string>& reverted, QuantizeReport* report,
             Progress& progress);
  void prepare(Progress& progress);
  void align_channels(Progress& progress);
  Observations observe_kept(const std::map<std::string, Observed>& wanted, Progress& progress);
  void observe_values(bool revertible, Progress& progress);
  void count_macs();
  /// Mean rounding error of the channels of values, measured unless known from an earlier build.
  const ChannelSums* rounding(const std::string& value, const TensorQuant& quant) const;
  void measure(const std::map<std::string, TensorQuant>& quants, const std::map<std::string, int>& axes,
               Progress& progress);

  QuantizeOptions options_;
  const CalibrationSource& calibration_;
  const MakeRunner& make_runner_;
  OriginalNames original_;
  Graph graph_;
  std::unique_ptr<SampleStream> samples_;
  QuantizerPlacement placement_;  // of graph_, with the options of the constructor
  Observations observations_;
  std::map<std::string, double> macs_;
  QuantizeReport prepared_;  // what the constructor adds to each report
  std::map<std::string, std::pair<TensorQuant, ChannelSums>> rounding_;
  std::map<std::string, QuantizedWeights> learned_;  // by layer: adaptive rounding
  // By layer, nearest values, and what else they depend on.
  std::map<std::string, std::pair<std::vector<float>, QuantizedWeights>> nearest_;
  // By layer: rounded with feedback of errors, without and with a correction of the mean error.
  std::map<std::string, std::array<QuantizedWeights, 2>> fed_back_;
  std::map<std::string, Decision> decisions_;        // by what the options say of all that may differ
};

}  // namespace hone
