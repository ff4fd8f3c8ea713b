#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "quantize/quantize.hpp"

namespace hone {

/// The accuracy of a model, larger is better. Called with the fp32 model (optimized) and with quantized ones.
using Validate = std::function<double(const Graph&)>;

enum class DropType {
  absolute,  ///< fp32 - int8 <= max_drop
  relative,  ///< (fp32 - int8) / fp32 <= max_drop
};

struct AccuracyOptions {
  double max_drop = 0.01;
  DropType drop_type = DropType::absolute;
  /// The standard error of the difference between the last two results of `validate`, called when the fp32 model and
  /// its full quantization were measured; a drop below it cannot be told from chance and counts as none. Empty: any
  /// drop counts.
  std::function<double()> sampling_error;
  int max_iterations = 0;   ///< units to turn back at most; 0: all
  int ranking_subset = 16;  ///< calibration samples that rank the units, at most those that are kept (64)
  bool rank_by_metric = false;  ///< rank with `validate` in place of the difference of outputs. Slower.
  /// After each step the search is written here; a search of the same model and options goes on from it. Empty:
  /// nowhere.
  std::filesystem::path state_file;
  /// Gets a line on each step.
  std::function<void(const std::string&)> on_step;
};

struct AccuracyReport {
  double fp32 = 0, int8 = 0;          ///< accuracy of the model and of its full quantization
  double accuracy = 0;                ///< of the result
  double sampling_error = 0;          ///< see AccuracyOptions
  bool met = false;
  std::vector<std::string> ranking;   ///< units, the one whose reverting gains most first
  std::vector<std::string> reverted;  ///< units of the result in fp32
  std::vector<std::string> restored;  ///< units that were reverted needlessly and are int8 again
  int validations = 0;                ///< in this run
  QuantizeReport quantize;
};

/// Quantizes, then turns units (a convolution, a matrix product, an addition ... with what is fused into it) back to
/// fp32 until the drop is met:
/// 1. Each unit alone is reverted and the outputs on a few calibration samples are compared with those of fp32: the one
///    that brings them nearest comes first (as in NNCF's quantize_with_accuracy_control).
/// 2. Units are reverted in that order, one more each time, until the drop is met.
/// 3. Each reverted unit, the last first, is quantized again if the drop stays met.
/// Throws as quantize() does; Interrupted on Ctrl-C says how to go on. When even all of fp32's units do not meet the
/// drop (bad data), or max_iterations ends the search, the most accurate model seen is returned and `met` is false.
Graph quantize_with_accuracy_control(const Graph& model, const CalibrationSource& calibration,
                                     const MakeRunner& make_runner, const Validate& validate,
                                     const QuantizeOptions& options, const AccuracyOptions& control,
                                     AccuracyReport* report = nullptr, Progress& progress = no_progress());

}  // namespace hone
