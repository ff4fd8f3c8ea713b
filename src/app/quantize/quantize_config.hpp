#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/support/format.hpp"
#include "quantize/accuracy_control.hpp"
#include "quantize/compress.hpp"
#include "quantize/quantize.hpp"

namespace hone::app {

/// All that says how a model is quantized, from flags or a file.
struct QuantizeSettings {
  QuantizeOptions quantize;
  AccuracyOptions accuracy;
  bool keep_accuracy = false;               ///< search until accuracy.max_drop is met
  bool strict_drop = false, sweep = false, random_data = false;  ///< as the flags
  std::optional<CompressOptions> weights;   ///< weights only
  std::optional<int> subset_size;           ///< if given; quantize.subset_size has it as well
  std::map<std::string, std::string> words; ///< data, eval, mean ... by the name of the flag
  std::vector<std::string> notes;           ///< fields of a file that are understood but change nothing here, and why

  void set_subset_size(int samples) { subset_size = quantize.subset_size = samples; }
};

/// Reads a JSON file (comments are allowed) with the names of our flags (with _ for -), those of NNCF's quantize(),
/// quantize_with_accuracy_control() and compress_weights() (preset, subset_size, ignored_scope {names, patterns,
/// types}, advanced_parameters {overflow_fix, ...}, max_drop ...), of its older files (compression.algorithm,
/// initializer, ignored_scopes ...) or those of POT (compression.algorithms[].params with stat_subset_size,
/// ignored.scope, activations.range_estimator, saturation_fix, maximal_drop ...). Throws Error naming the field for
/// unknown fields, with those that look like it, and for values of the wrong kind.
void read_quantize_config(const std::filesystem::path& path, QuantizeSettings& settings);
void apply_quantize_config(const Json& json, const std::string& place, QuantizeSettings& settings);

// The words that flags and files share; `place` is named in the Error when the word is none of them.
void set_preset(const std::string& place, const std::string& word, QuantizeSettings& settings);
void set_range(const std::string& place, const std::string& word, QuantizeSettings& settings);
void set_bias_correction(const std::string& place, const std::string& word, QuantizeSettings& settings);
void set_model_type(const std::string& place, const std::string& word, QuantizeSettings& settings);
void set_saturation_fix(const std::string& place, const std::string& word, QuantizeSettings& settings);
void set_target_device(const std::string& place, const std::string& word, QuantizeSettings& settings);
void set_drop_type(const std::string& place, const std::string& word, QuantizeSettings& settings);
/// int8, int4, fp16, bf16; also int8_sym, int4_asym ...
void set_weights(const std::string& place, const std::string& word, QuantizeSettings& settings);

}  // namespace hone::app
