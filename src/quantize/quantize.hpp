#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "graph/graph.hpp"
#include "quantize/range.hpp"

/// Post-training quantization: an fp32 graph becomes the same graph in standard ONNX QDQ form, int8 where that pays.
namespace hone {

/// Runs a model on concrete inputs (the same alias as in run/session.hpp).
using RunModel = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
/// Prepares a graph for running; called with the model whose outputs were extended by the values to observe.
using MakeRunner = std::function<RunModel(const Graph&)>;
/// Puts the next set of input tensors (in the order of graph.inputs(), any batch size the model takes) into its
/// argument; returns false when there are no more.
using CalibrationSource = std::function<bool(std::vector<Tensor>&)>;

enum class ActivationScheme {
  asymmetric,  ///< u8; a zero point where values can be negative (the preset "mixed")
  symmetric,   ///< zero point 0: u8 where nothing is negative, else i8 (the preset "performance")
};

/// Weights in 7 bits, for processors without VNNI: their u8 x i8 products are added in pairs in 16 bits, which
/// saturate.
enum class SaturationFix {
  automatic,    ///< in all layers when the target device has no VNNI
  none,
  first_layer,  ///< only where the model begins
  all,
};

enum class ModelType {
  general,
  transformer,  ///< asymmetric activations, and SmoothQuant
};

/// Taking the mean error that quantization adds to each output channel off the bias.
enum class BiasCorrection {
  automatic,  ///< none or fast, whichever's model errs least on held-out samples (see QuantizeOptions::range)
  none,
  fast,  ///< Nagel et al. 2019, "Data-Free Quantization", 4.2, with measured input means
  full,  ///< and then again, layer by layer in the quantized model itself (see methods/bias_correction.hpp). Slower.
};
/// "auto", "none", "fast", "full".
const char* name_of(BiasCorrection correction);

struct QuantizeOptions {
  /// What is left automatic here and in `bias_correction` is decided by trying: of 16 or more samples that are kept, a
  /// quarter has no part in corrections, and the quantized model whose outputs are nearest to FP32's there is taken,
  /// if the gain is beyond its standard error. A range that clips must halve the error besides: what it clips are the
  /// strongest responses, which decide more than their share of the error says (NanoDet loses 0.7 mAP by `mse`, which
  /// takes a third of the error away, and nothing by `min_max`). Otherwise, and with fewer samples, these are `min_max`
  /// and `fast`.
  RangeMethod range = RangeMethod::automatic;
  double percentile = 99.99;  ///< for RangeMethod::percentile, above 50, at most 100
  ActivationScheme activations = ActivationScheme::asymmetric;
  int subset_size = 300;  ///< calibration samples (batch entries) to use at most
  ModelType model_type = ModelType::general;
  BiasCorrection bias_correction = BiasCorrection::automatic;
  /// Layers and operations that make most of the error may stay fp32 if they have at most this share of the
  /// multiplications (see sensitive.cpp): where the outputs of the quantized model have less than 15 dB of signal over
  /// error on held-out samples, and gain 2 dB by it. 0: none.
  double sensitive_share = 0.08;
  /// Cross-layer equalization (see methods/equalize.hpp).
  bool equalize = false;
  /// Channels in front of depthwise convolutions get one magnitude, others nearer ones (see
  /// methods/depthwise_inputs.hpp and methods/tied_channels.hpp).
  bool align_channels = true;
  /// SmoothQuant (see methods/smooth.hpp); on for transformers unless `smooth_alpha` is 0.
  double smooth_alpha = -1;  ///< -1: 0.5 for transformers, else off; 0: off; up to 1
  /// Weights are rounded one after the other, each making good for those before (see methods/error_feedback.hpp).
  bool error_feedback = true;
  /// Learned rounding of weights (see methods/adaround.hpp). Slow.
  bool adaptive_rounding = false;
  int rounding_iterations = 1000;
  /// Statistics of the batch normalizations that could not be folded are measured again in the quantized model.
  bool batch_norm_statistics = true;
  SaturationFix saturation_fix = SaturationFix::automatic;
  /// Where the model will run: "auto" or "cpu" (this processor), "cpu-sse", "cpu-avx2", "cpu-avx512", "cpu-vnni", "any"
  /// (no assumption, so 7 bits).
  std::string target_device = "auto";
  /// Node names, or names of their outputs, that stay fp32; `*` stands for any text.
  std::vector<std::string> ignored_nodes;
  std::vector<std::string> ignored_patterns;  ///< the same as regular expressions that match the whole name
  std::vector<std::string> ignored_op_types;  ///< such as "Resize"
  bool ignored_must_match = true;             ///< what of these matches nothing is an error
};

/// Throws Error for a target device that does not exist. True when weights need 7 bits there.
bool saturates(const std::string& target_device);

/// What became of a node. A node that is fused with its predecessor (conv + relu) shares its fate.
struct NodeReport {
  std::string name, op;
  bool quantized = false;
  std::string reason;  ///< why it stays fp32
  double macs = 0;     ///< multiplications of a calibration sample in convolutions and matrix products; 0 for other ops
};

/// How a value is represented.
struct ValueReport {
  std::string name;
  double min = 0, max = 0;  ///< seen during calibration
  Range range;              ///< chosen
  TensorQuant quant;
};

/// A way to quantize that was tried on held-out samples.
struct TriedChoice {
  RangeMethod range;
  BiasCorrection bias_correction;
  bool error_feedback = false;
  double sqnr_db = 0;  ///< signal over error of the outputs, mean over outputs and samples
};

struct QuantizeReport {
  std::vector<NodeReport> nodes;    ///< nodes of the optimized model that compute floats, in order
  std::vector<ValueReport> values;  ///< quantized activations, in order
  int samples = 0;                  ///< calibration samples used
  int biases_corrected = 0;
  int channels_equalized = 0, depthwise_inputs_aligned = 0, tied_channels_aligned = 0, layers_smoothed = 0,
      batch_norms_measured = 0, layers_rounded = 0;
  bool seven_bits = false;  ///< weights use 7 bits
  RangeMethod range = RangeMethod::mse;                  ///< that was used
  BiasCorrection bias_correction = BiasCorrection::fast;  ///< that was used
  std::vector<TriedChoice> tried;  ///< what was compared to decide what the options leave open; empty if nothing
  double seconds = 0;

  /// The share of all multiplications of convolutions and matrix products that is in int8.
  double int8_share() const;
};

/// Metadata of a quantized graph: names of values, one a line, whose channels were aligned, so that they are those of
/// the FP32 model but for a positive factor for each channel (axis 1).
inline constexpr const char* scaled_channels_key = "hone.scaled_channels";

/// A quantized copy of `model`. The copy is optimized first (batch norm folded and so on), so calibration, ranges and
/// names are about that form. Deterministic. Throws Error when the options are wrong, the model is quantized already
/// or has nothing that can be quantized, an ignored name or type matches nothing, the calibration data is missing or
/// does not fit, or weights or activations are not finite; Interrupted on Ctrl-C.
Graph quantize(const Graph& model, const CalibrationSource& calibration, const MakeRunner& make_runner,
               const QuantizeOptions& options = {}, QuantizeReport* report = nullptr,
               Progress& progress = no_progress());

}  // namespace hone
