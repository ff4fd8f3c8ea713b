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
  asymmetric,  ///< u8; a zero point where values can be negative
  symmetric,   ///< zero point 0: u8 where nothing is negative, else i8
};

struct QuantizeOptions {
  RangeMethod range = RangeMethod::mse;
  double percentile = 99.99;  ///< for RangeMethod::percentile, above 50, at most 100
  ActivationScheme activations = ActivationScheme::asymmetric;
  int subset_size = 300;  ///< calibration samples (batch entries) to use at most
  /// Takes the mean error of each output channel off the bias: Nagel et al. 2019, "Data-Free Quantization", 4.2, with
  /// measured input means.
  bool bias_correction = true;
  /// Weights in 7 bits: for processors without VNNI, whose u8 x i8 products saturate at 16 bits.
  bool reduce_range = false;
  /// Node names, or names of their outputs, that stay fp32; `*` stands for any text.
  std::vector<std::string> ignored_nodes;
  std::vector<std::string> ignored_op_types;  ///< such as "Resize"
};

/// What became of a node. A node that is fused with its predecessor (conv + relu) shares its fate.
struct NodeReport {
  std::string name, op;
  bool quantized = false;
  std::string reason;  ///< why it stays fp32
};

/// How a value is represented.
struct ValueReport {
  std::string name;
  double min = 0, max = 0;  ///< seen during calibration
  Range range;              ///< chosen
  TensorQuant quant;
};

struct QuantizeReport {
  std::vector<NodeReport> nodes;    ///< nodes of the optimized model that compute floats, in order
  std::vector<ValueReport> values;  ///< quantized activations, in order
  int samples = 0;                  ///< calibration samples used
  int biases_corrected = 0;
  double seconds = 0;
};

/// A quantized copy of `model`. The copy is optimized first (batch norm folded and so on), so calibration, ranges and
/// names are about that form. Deterministic. Throws Error when the options are wrong, the model is quantized already
/// or has nothing that can be quantized, an ignored name matches nothing, the calibration data is missing or does not
/// fit, or weights or activations are not finite; Interrupted on Ctrl-C.
Graph quantize(const Graph& model, const CalibrationSource& calibration, const MakeRunner& make_runner,
               const QuantizeOptions& options = {}, QuantizeReport* report = nullptr,
               Progress& progress = no_progress());

}  // namespace hone
