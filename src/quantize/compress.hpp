#pragma once
#include <optional>
#include <string>
#include <vector>

#include "quantize/quantize.hpp"

/// Weights-only compression: smaller files and less memory traffic; activations stay as they are.
namespace hone {

enum class WeightFormat { int8, int4, fp16, bf16 };

struct CompressOptions {
  WeightFormat format = WeightFormat::int8;
  /// Symmetric: zero point 0. Asymmetric: a zero point for each group.
  bool symmetric = true;
  /// Weights along the input axis that share a scale; -1: all of an output channel. Last groups may be smaller.
  int group_size = -1;
  /// The share of the weights of the int4 layers that get 4 bits; the others get 8, those that lose most first.
  double ratio = 1;
  /// Counts the error of a weight by how large its input is: sum (w' - w)^2 E[x^2] in place of sum (w' - w)^2, relative
  /// to the same sum of w. Needs calibration data.
  bool data_aware = false;
  bool embeddings = true;      ///< tables of Gather as well, in 8 bits
  int smallest = 1024;         ///< weights with fewer elements stay as they are
  int subset_size = 32;        ///< calibration samples
  std::vector<std::string> ignored_nodes, ignored_patterns, ignored_op_types;  ///< as in QuantizeOptions
  bool ignored_must_match = true;
};

struct CompressedWeight {
  std::string node, op, format;  ///< "int4 asym g128", "int8 sym"
  int64_t elements = 0;
  double error = 0;              ///< relative squared error, as chosen by
};

struct CompressReport {
  std::vector<CompressedWeight> weights;  ///< in the order of the graph
  std::vector<NodeReport> kept;           ///< MatMul, Gemm, Conv and Gather whose weights stay, and why
  double bytes_before = 0, bytes_after = 0;
};

/// A copy of `model` (optimized) with compressed weights of MatMul and Gemm (and Gather), and for fp16 and bf16 all f32
/// constants of at least `smallest` elements. Integers become DequantizeLinear (with block_size when there are groups:
/// opset 21), floats a Cast. Scale and zero point of int4: round to nearest over the extremes of the group, the scale
/// shrunk to the least squared error (Frantar et al. 2022, "GPTQ", section 4, "RTN", is the same without shrinking).
/// Which layers get 4 bits is decided by what each would lose in 4 bits; NNCF's compress_weights() ranks by the inverse
/// of the error in 8 bits (weight_quantization_error), which is a sign of the same, times the size of the inputs for
/// its hessian_input_activation, as data_aware does here. Throws Error for options that make no sense, names that match
/// nothing, weights with NaN, and data_aware without `calibration`.
Graph compress_weights(const Graph& model, const CompressOptions& options, const CalibrationSource& calibration = {},
                       const MakeRunner& make_runner = {}, CompressReport* report = nullptr,
                       Progress& progress = no_progress());

}  // namespace hone
