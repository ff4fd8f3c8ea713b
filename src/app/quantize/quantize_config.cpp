#include "app/quantize/quantize_config.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/quantize/config_fields.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace hone::app {

namespace {

using namespace config;

void set_fast_bias(const Json& v, const std::string& p, QuantizeSettings& s) {
  s.quantize.bias_correction = boolean(v, p) ? BiasCorrection::fast : BiasCorrection::full;
}

// A word, or false for none and true for what is best.
void read_bias_correction(const Json& v, const std::string& p, QuantizeSettings& s) {
  if (v.is_string()) return set_bias_correction(p, v, s);
  s.quantize.bias_correction = boolean(v, p) ? BiasCorrection::automatic : BiasCorrection::none;
}

void read_drop(const Json& v, const std::string& p, QuantizeSettings& s) {
  s.accuracy.max_drop = number(v, p);
  s.keep_accuracy = true;
}

void read_subset(const Json& v, const std::string& p, QuantizeSettings& s) { s.set_subset_size(integer(v, p)); }

Action iterations() {
  return [](const Json& v, const std::string& p, QuantizeSettings& s) {
    // NNCF's default is the largest integer there is.
    s.accuracy.max_iterations = v.is_number_unsigned() && v.get<double>() > 1e9 ? 0 : integer(v, p);
  };
}

Action ranking() { return keep<int>(integer, [](auto& s) -> int& { return s.accuracy.ranking_subset; }); }

// {"convolution": -1, "matmul": 0.95}, where a negative number turns it off.
Fields smooth_fields() {
  return {{"convolution", no_effect("only matrix products are smoothed", -1)},
          {"matmul", [](const Json& v, const std::string& p, QuantizeSettings& s) {
             s.quantize.smooth_alpha = std::max(0.0, number(v, p));
           }}};
}

// NNCF's AdvancedQuantizationParameters, and what is advanced for weights alone.
const Fields& advanced_fields() {
  static const Fields fields{
      {"overflow_fix", word(set_saturation_fix)},
      {"activations_range_estimator_params", read_range},
      {"weights_range_estimator_params", no_effect("a weight scale is the one of least squared error")},
      {"disable_bias_correction",
       [](const Json& v, const std::string& p, QuantizeSettings& s) {
         if (boolean(v, p)) s.quantize.bias_correction = BiasCorrection::none;
       }},
      {"disable_channel_alignment",
       [](const Json& v, const std::string& p, QuantizeSettings& s) { s.quantize.equalize = !boolean(v, p); }},
      {"smooth_quant_alpha",
       [](const Json& v, const std::string& p, QuantizeSettings& s) {
         s.quantize.smooth_alpha = std::max(0.0, number(v, p));
       }},
      {"smooth_quant_alphas", object(smooth_fields())},
      {"activations_quantization_params", read_activations},
      {"weights_quantization_params", read_weights},
      {"bias_correction_params", no_effect("corrections have no threshold")},
      {"quantize_outputs", no_effect("outputs of the model stay f32", false)},
      {"quantizer_propagation_rule", nothing},
      {"backend_params", nothing},
      {"inplace_statistics", nothing},
      {"batchwise_statistics", nothing},
      {"statistics_path", nothing},
      {"group_size_fallback_mode", no_effect("last groups may be smaller")},
      {"awq_params", nothing},
      {"scale_estimation_params", nothing},
      {"gptq_params", nothing},
      {"lora_correction_params", nothing}};
  return fields;
}

// NNCF's AdvancedAccuracyRestorerParameters.
const Fields& restorer_fields() {
  static const Fields fields{{"max_num_iterations", iterations()},
                             {"ranking_subset_size", ranking()},
                             {"tune_hyperparams", no_effect("--sweep compares ways to quantize", false)},
                             {"num_ranking_workers", nothing},
                             {"intermediate_model_dir", nothing},
                             {"restore_mode", no_effect("activations and weights are turned back together",
                                                        "activations_and_weights")}};
  return fields;
}

void add_search_fields(Fields& f) {
  for (const char* name : {"maximal_drop", "max_drop"}) f[name] = read_drop;
  f["drop_type"] = word(set_drop_type);
  for (const char* name : {"max_iterations", "max_iter_num", "max_num_iterations"}) f[name] = iterations();
  for (const char* name : {"ranking_subset", "ranking_subset_size"}) f[name] = ranking();
  f["annotation_free"] = no_effect("accuracy needs labels", false);
  f["convert_to_mixed_preset"] = no_effect("--sweep compares presets", false);
  f["tune_hyperparams"] = no_effect("--sweep compares ways to quantize", false);
  f["use_prev_if_drop_increase"] = no_effect("the most accurate model found is kept");
  f["metrics"] = no_effect("top-1, mAP or mIoU is measured on the labelled data");
  for (const char* name : {"base_algorithm", "annotation_conf_threshold", "metric_subset_ratio"}) f[name] = nothing;
}

// What an algorithm of POT, a call of NNCF and our own files have in common.
const Fields& common_fields() {
  static const Fields fields = [] {
    Fields f{{"preset", word(set_preset)},
             {"target_device", word(set_target_device)},
             {"model_type", word(set_model_type)},
             {"activations", read_activations},
             {"bias_correction", read_bias_correction},
             {"percentile", keep<double>(number, [](auto& s) -> double& { return s.quantize.percentile; })},
             {"equalize", keep<bool>(boolean, [](auto& s) -> bool& { return s.quantize.equalize; })},
             {"batch_norm_statistics",
              keep<bool>(boolean, [](auto& s) -> bool& { return s.quantize.batch_norm_statistics; })},
             {"smooth_alpha", keep<double>(number, [](auto& s) -> double& { return s.quantize.smooth_alpha; })},
             {"advanced_accuracy_restorer_parameters", object(restorer_fields())}};
    add_weight_fields(f);
    add_own_fields(f);
    add_search_fields(f);
    for (const char* name : {"range", "range_estimator", "range_estimator_params"}) f[name] = read_range;
    for (const char* name : {"saturation_fix", "overflow_fix"}) f[name] = word(set_saturation_fix);
    for (const char* name : {"ignored", "ignored_scope", "ignored_scopes"}) f[name] = read_ignored;
    for (const char* name : {"advanced_parameters", "advanced_quantization_parameters"})
      f[name] = object(advanced_fields());
    for (const char* name : {"use_fast_bias", "fast_bias_correction"}) f[name] = set_fast_bias;
    for (const char* name : {"subset_size", "stat_subset_size"}) f[name] = read_subset;
    for (const char* name : {"adaptive_rounding", "use_layerwise_tuning"})
      f[name] = keep<bool>(boolean, [](auto& s) -> bool& { return s.quantize.adaptive_rounding; });
    // "weights": "int4", or POT's parameters of weight quantizers.
    f["weights"] = [](const Json& v, const std::string& p, QuantizeSettings& s) {
      if (v.is_string()) set_weights(p, v, s);
      else read_weights(v, p, s);
    };
    // How POT draws samples and tunes layers; here a random order that is always the same, and --rounding-iterations.
    for (const char* name :
         {"stat_subset_seed", "stat_batch_size", "shuffle_data", "seed", "random_seed", "inplace_statistics",
          "inplace_statistic", "dump_intermediate_model", "num_samples_for_tuning", "batch_size", "tuning_iterations",
          "max_tuning_iterations", "optimizer", "loss", "weight_decay", "use_ranking_subset", "num_tuned",
          "calibration_indices_pool", "calibrate_size", "calculate_grads_on_loss_increase_only"})
      f[name] = nothing;
    return f;
  }();
  return fields;
}

void read_algorithm_name(const Json& v, const std::string& p, QuantizeSettings& s) {
  std::string which = text(v, p);
  static const std::vector<std::string> known{"DefaultQuantization", "AccuracyAwareQuantization",
                                              "MinMaxQuantization",  "FastBiasCorrection",
                                              "BiasCorrection",      "ActivationChannelAlignment"};
  if (std::find(known.begin(), known.end(), which) == known.end())
    throw Error(p, "got '" + which + "'", fmt::format("expected one of {}", fmt::join(known, ", ")));
  if (which == "AccuracyAwareQuantization") s.keep_accuracy = true;
  if (which == "BiasCorrection") s.quantize.bias_correction = BiasCorrection::full;
  if (which == "FastBiasCorrection") s.quantize.bias_correction = BiasCorrection::fast;
  if (which == "ActivationChannelAlignment") s.quantize.equalize = true;
}

void read_algorithms(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (!value.is_array() || value.empty()) throw Error(place, "is " + value.dump() + ", expected a list of algorithms");
  static const Fields fields{{"name", read_algorithm_name}, {"params", object(common_fields())}};
  for (size_t i = 0; i < value.size(); ++i) read_object(value[i], fmt::format("{}[{}]", place, i), fields, settings);
}

// An algorithm of NNCF's older files.
const Fields& nncf_algorithm_fields() {
  static const Fields fields = [] {
    Fields f = common_fields();
    f["algorithm"] = [](const Json& v, const std::string& p, QuantizeSettings&) {
      if (text(v, p) != "quantization")
        throw Error(p, "got " + v.dump(), "expected \"quantization\"; hone prune makes models sparse");
    };
    f["initializer"] = object({{"range", read_range},
                               {"batchnorm_adaptation", nothing},
                               {"precision", no_effect("all layers get 8 bits")}});
    f["disable_saturation_fix"] = [](const Json& v, const std::string& p, QuantizeSettings& s) {
      if (boolean(v, p)) s.quantize.saturation_fix = SaturationFix::none;
    };
    f["quantize_inputs"] = no_effect("inputs are quantized where an int8 layer uses them", true);
    f["quantize_outputs"] = no_effect("outputs of the model stay f32", false);
    f["scope_overrides"] = no_effect("quantizers of single layers cannot be set");
    f["target_scopes"] = no_effect("all nodes are considered");
    f["export_to_onnx_standard_ops"] = f["params"] = f["compression_lr_multiplier"] = nothing;
    return f;
  }();
  return fields;
}

// POT's has a list of algorithms; NNCF's is one algorithm, or a list of them.
void read_compression(const Json& value, const std::string& place, QuantizeSettings& settings) {
  static const Fields pot{{"target_device", word(set_target_device)}, {"model_type", word(set_model_type)},
                          {"algorithms", read_algorithms},            {"dump_intermediate_model", nothing},
                          {"inplace_statistics", nothing},            {"inplase_statistics", nothing}};
  if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i)
      read_object(value[i], fmt::format("{}[{}]", place, i), nncf_algorithm_fields(), settings);
  } else {
    bool nncf = value.is_object() && value.contains("algorithm");
    read_object(value, place, nncf ? nncf_algorithm_fields() : pot, settings);
  }
}

}  // namespace

void apply_quantize_config(const Json& json, const std::string& place, QuantizeSettings& settings) {
  Fields fields = common_fields();
  // What belongs to the other tool's own reader of models and data.
  for (const char* name : {"model", "engine", "input_info", "num_classes", "log_dir", "save_dir"})
    fields[name] = nothing;
  fields["compression"] = read_compression;
  read_object(json, place, fields, settings);
}

void read_quantize_config(const std::filesystem::path& path, QuantizeSettings& settings) {
  std::string place = "'" + path.string() + "'", text = read_text_file(path);
  Json json;
  try {
    json = Json::parse(text, nullptr, true, true);  // POT's files come with comments
  } catch (const Json::parse_error& error) {
    std::string what = error.what();
    size_t at = what.find("line ");
    throw Error(place, "is no JSON file" + (at == std::string::npos ? "" : ": " + what.substr(at)),
                "expected { ... }; comments as in C are allowed");
  }
  apply_quantize_config(json, place, settings);
}

}  // namespace hone::app
