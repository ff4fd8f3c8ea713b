#include <algorithm>
#include <cctype>
#include <cmath>

#include <fmt/format.h>

#include "app/quantize/config_fields.hpp"
#include "base/error.hpp"

namespace hone::app::config {

namespace {

std::string lower(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

// OpenVINO's names of common op types, which POT's files use.
std::string onnx_type(const std::string& name) {
  static const std::map<std::string, std::string> names{{"Convolution", "Conv"},
                                                        {"GroupConvolution", "Conv"},
                                                        {"ConvolutionBackpropData", "ConvTranspose"},
                                                        {"GroupConvolutionBackpropData", "ConvTranspose"},
                                                        {"FullyConnected", "Gemm"},
                                                        {"Multiply", "Mul"},
                                                        {"Subtract", "Sub"},
                                                        {"Divide", "Div"},
                                                        {"ReLU", "Relu"},
                                                        {"AvgPool", "AveragePool"},
                                                        {"Interpolate", "Resize"},
                                                        {"SoftMax", "Softmax"},
                                                        {"MVN", "LayerNormalization"},
                                                        {"HSwish", "HardSwish"},
                                                        {"PReLU", "PRelu"},
                                                        {"Clamp", "Clip"}};
  auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

void read_operations(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (!value.is_array()) throw Error(place, "is " + value.dump() + ", expected a list of {\"type\": ...}");
  static const Fields fields{{"type", [](const Json& v, const std::string& p, QuantizeSettings& s) {
                                s.quantize.ignored_op_types.push_back(onnx_type(text(v, p)));
                              }},
                             {"attributes", no_effect("all nodes of the type are ignored")}};
  for (size_t i = 0; i < value.size(); ++i) read_object(value[i], fmt::format("{}[{}]", place, i), fields, settings);
}

// NNCF's patterns match from the start of a name, not all of it.
std::string from_start(const std::string& pattern) { return "(?:" + pattern + ").*"; }

// Of names that may be "{re}pattern".
void read_names(const Json& value, const std::string& place, QuantizeSettings& settings) {
  constexpr std::string_view mark = "{re}";
  for (const std::string& name : texts(value, place))
    if (name.starts_with(mark)) settings.quantize.ignored_patterns.push_back(from_start(name.substr(mark.size())));
    else settings.quantize.ignored_nodes.push_back(name);
}

void read_patterns(const Json& value, const std::string& place, QuantizeSettings& settings) {
  for (const std::string& pattern : texts(value, place))
    settings.quantize.ignored_patterns.push_back(from_start(pattern));
}

// The statistics of one side of a range in POT's and NNCF's words. What POT calls "quantile" with an "aggregator" over
// images is a percentile of all values here.
void read_statistic(const Json& v, const std::string& p, QuantizeSettings& s) {
  std::string name = lower(text(v, p));
  bool quantile = name == "quantile" || name == "abs_quantile" || name == "percentile";
  if (!quantile && name != "min" && name != "max" && name != "abs_max")
    throw Error(p, "got '" + name + "'", "expected min, max, abs_max, quantile or abs_quantile");
  if (quantile) s.quantize.range = RangeMethod::percentile;
  else if (s.quantize.range != RangeMethod::mean_min_max && s.quantize.range != RangeMethod::percentile)
    s.quantize.range = RangeMethod::min_max;
}

void read_aggregator(const Json& v, const std::string& p, QuantizeSettings& s) {
  std::string name = lower(text(v, p));
  static const char* const known[] = {
      "mean", "mean_no_outliers", "median", "median_no_outliers", "hl_estimator", "min", "max"};
  if (std::find(std::begin(known), std::end(known), name) == std::end(known))
    throw Error(p, "got '" + name + "'", "expected mean, median, min or max");
  if (name.ends_with("no_outliers") || name.starts_with("median") || name == "hl_estimator")
    s.notes.push_back(fmt::format("{}: '{}' is taken as the mean over images", p, name));
  bool average = name != "min" && name != "max";
  if (s.quantize.range != RangeMethod::percentile)
    s.quantize.range = average ? RangeMethod::mean_min_max : RangeMethod::min_max;
}

void read_outliers(const Json& v, const std::string& p, QuantizeSettings& s) {
  double probability = number(v, p);
  if (!(probability >= 0 && probability < 0.5)) throw Error(p, "is " + v.dump() + ", expected 0 to 0.5");
  s.quantize.percentile = 100 * (1 - probability);
}

// NNCF's older files: {"type": "mean_percentile", "num_init_samples": 300, "params": {...}}.
void read_range_type(const Json& v, const std::string& p, QuantizeSettings& s) {
  static const std::map<std::string, RangeMethod> known{
      {"min_max", RangeMethod::min_max},           {"mixed_min_max", RangeMethod::min_max},
      {"mean_min_max", RangeMethod::mean_min_max}, {"percentile", RangeMethod::percentile},
      {"mean_percentile", RangeMethod::percentile}, {"threesigma", RangeMethod::mse}};
  auto found = known.find(lower(text(v, p)));
  if (found == known.end())
    throw Error(p, "got " + v.dump(), "expected mixed_min_max, min_max, mean_min_max, percentile or mean_percentile");
  if (found->first == "threesigma") s.notes.push_back(p + ": 'threesigma' is taken as mse");
  s.quantize.range = found->second;
}

void read_range_preset(const Json& v, const std::string& p, QuantizeSettings& s) {
  std::string name = text(v, p);
  if (name != "default" && name != "quantile") throw Error(p, "got '" + name + "'", "expected default or quantile");
  s.quantize.range = name == "default" ? RangeMethod::mean_min_max : RangeMethod::percentile;
}

// NNCF's older files give both ends of a range in percent.
void read_percentiles(const Json& v, const std::string& p, QuantizeSettings& s) {
  double low = 100 - s.quantize.percentile, high = s.quantize.percentile;
  if (!v.is_object()) throw Error(p, "is not an object", "expected { ... }");
  for (auto& [name, value] : v.items()) {
    if (name != "min_percentile" && name != "max_percentile")
      throw Error(p, fmt::format("has an unknown field '{}'", name), "expected min_percentile, max_percentile");
    (name == "min_percentile" ? low : high) = number(value, p + "." + name);
  }
  s.quantize.percentile = std::max(high, 100 - low);
}

void expect_bits(const Json& v, const std::string& p, QuantizeSettings& s, bool weights) {
  int wanted = integer(v, p);
  if (wanted == 8 || (weights && wanted == 7)) {
    if (wanted == 7) s.quantize.saturation_fix = SaturationFix::all;
    return;
  }
  throw Error(p, "is " + v.dump(), weights ? "expected 7 or 8; for 4 bits see --weights" : "expected 8");
}

// Fields of a quantizer that are what they are here.
Fields quantizer_fields() {
  const char* full = "8 bits are used fully";
  return {{"level_low", no_effect(full, -128)},   {"level_high", no_effect(full, 127)},
          {"signed", no_effect("follows from the values")},
          {"signedness_to_force", no_effect("follows from the values")},
          {"narrow_range", no_effect(full, false)}, {"logarithm_scale", no_effect("scales are not learned", false)},
          {"target_scopes", no_effect("all nodes are considered")},
          {"ignored_scopes", [](const Json& v, const std::string& p, QuantizeSettings& s) { read_ignored(v, p, s); }}};
}

}  // namespace

void read_types(const Json& value, const std::string& place, QuantizeSettings& settings) {
  for (const std::string& type : texts(value, place)) settings.quantize.ignored_op_types.push_back(onnx_type(type));
}

void read_ignored(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (!value.is_object()) return read_names(value, place, settings);
  static const Fields fields{{"names", read_names},
                             {"scope", read_names},
                             {"patterns", read_patterns},
                             {"types", read_types},
                             {"operations", read_operations},
                             {"validate", keep<bool>(boolean,
                                                     [](auto& s) -> bool& { return s.quantize.ignored_must_match; })},
                             {"subgraphs", no_effect("give the names of the nodes")}};
  read_object(value, place, fields, settings);
}

void read_range(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (value.is_string()) return set_range(place, value, settings);
  if (value.is_array()) {  // one for each group of quantizers
    for (size_t i = 0; i < value.size(); ++i) {
      const Json& part = value[i];
      if (part.is_object() && part.value("target_quantizer_group", "activations") != "weights")
        read_range(part, fmt::format("{}[{}]", place, i), settings);
    }
    return;
  }
  static const Fields side{{"type", read_statistic},        {"statistics_type", read_statistic},
                           {"aggregator", read_aggregator}, {"aggregator_type", read_aggregator},
                           {"outlier_prob", read_outliers}, {"quantile_outlier_prob", read_outliers},
                           {"clipping_value", no_effect("ranges come from the samples")}};
  static const Fields fields{
      {"preset", read_range_preset},
      {"min", object(side)},
      {"max", object(side)},
      {"type", read_range_type},
      {"params", read_percentiles},
      {"num_init_samples",
       [](const Json& v, const std::string& p, QuantizeSettings& s) { s.set_subset_size(integer(v, p)); }},
      {"per_channel", no_effect("activations have one scale a tensor", false)},
      {"perchannel", no_effect("activations have one scale a tensor")},
      {"pertensor", nothing},
      {"target_quantizer_group", nothing},
      {"target_scopes", no_effect("all nodes are considered")}};
  read_object(value, place, fields, settings);
}

void read_activations(const Json& value, const std::string& place, QuantizeSettings& settings) {
  auto mode = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    std::string name = lower(text(v, p));
    if (name != "symmetric" && name != "asymmetric")
      throw Error(p, "got '" + name + "'", "expected symmetric or asymmetric");
    set_preset(p, name == "symmetric" ? "performance" : "mixed", s);
  };
  auto bits = [](const Json& v, const std::string& p, QuantizeSettings& s) { expect_bits(v, p, s, false); };
  static const Fields fields = [&] {
    Fields f = quantizer_fields();
    for (const char* name : {"bits", "num_bits"}) f[name] = bits;
    for (const char* name : {"range_estimator", "range_estimator_params"}) f[name] = read_range;
    f["mode"] = mode;
    f["granularity"] = no_effect("activations have one scale a tensor", "pertensor");
    f["per_channel"] = no_effect("activations have one scale a tensor", false);
    f["level_low"] = f["level_high"] = nothing;
    return f;
  }();
  read_object(value, place, fields, settings);
}

void read_weights(const Json& value, const std::string& place, QuantizeSettings& settings) {
  auto bits = [](const Json& v, const std::string& p, QuantizeSettings& s) { expect_bits(v, p, s, true); };
  static const Fields fields = [&] {
    Fields f = quantizer_fields();
    for (const char* name : {"bits", "num_bits"}) f[name] = bits;
    for (const char* name : {"range_estimator", "range_estimator_params"})
      f[name] = no_effect("a weight scale is the one of least squared error");
    f["mode"] = no_effect("weights are symmetric", "symmetric");
    f["granularity"] = no_effect("weights have one scale an output channel", "perchannel");
    f["per_channel"] = no_effect("weights have one scale an output channel", true);
    f["level_low"] = no_effect("weights take -128 to 127, or -64 to 63 in 7 bits", -127);
    return f;
  }();
  read_object(value, place, fields, settings);
}

void add_weight_fields(Fields& f) {
  auto weights = [](QuantizeSettings& s) -> CompressOptions& {
    if (!s.weights) s.weights.emplace();
    return *s.weights;
  };
  f["mode"] = word(set_weights);
  f["group_size"] = keep<int>(integer, [=](auto& s) -> int& { return weights(s).group_size; });
  f["ratio"] = keep<double>(number, [=](auto& s) -> double& { return weights(s).ratio; });
  f["data_aware"] = keep<bool>(boolean, [=](auto& s) -> bool& { return weights(s).data_aware; });
  f["asymmetric_weights"] = [=](const Json& v, const std::string& p, QuantizeSettings& s) {
    weights(s).symmetric = !boolean(v, p);
  };
  f["sensitivity_metric"] = [=](const Json& v, const std::string& p, QuantizeSettings& s) {
    std::string name = lower(text(v, p));
    static const char* const data_aware[] = {"hessian_input_activation", "mean_activation_variance",
                                             "max_activation_variance", "mean_activation_magnitude"};
    bool known = std::find(std::begin(data_aware), std::end(data_aware), name) != std::end(data_aware);
    if (!known && name != "weight_quantization_error")
      throw Error(p, "got '" + name + "'", "expected weight_quantization_error or hessian_input_activation");
    weights(s).data_aware = known;
    if (known && name != data_aware[0])
      s.notes.push_back(fmt::format("{}: '{}' is taken as hessian_input_activation", p, name));
  };
  f["all_layers"] = no_effect("embeddings get 8 bits, all other layers take part", true);
  f["backup_mode"] = no_effect("what does not get 4 bits gets 8");
  for (const char* name : {"awq", "scale_estimation", "gptq", "lora_correction"})
    f[name] = no_effect("Hone has no such method; data_aware chooses scales by what inputs make of errors", false);
  f["dataset"] = f["compression_format"] = nothing;
}

void add_own_fields(Fields& f) {
  auto flag = [&](const char* name, std::function<bool&(QuantizeSettings&)> target) {
    f[name] = keep<bool>(boolean, std::move(target));
  };
  auto unset = [&](const char* name, std::function<bool&(QuantizeSettings&)> target) {
    f[name] = [target](const Json& v, const std::string& p, QuantizeSettings& s) { target(s) = !boolean(v, p); };
  };
  auto correction = [&](const char* name, BiasCorrection value) {
    f[name] = [value](const Json& v, const std::string& p, QuantizeSettings& s) {
      if (boolean(v, p)) s.quantize.bias_correction = value;
    };
  };
  f["subset"] = [](const Json& v, const std::string& p, QuantizeSettings& s) { s.set_subset_size(integer(v, p)); };
  f["ignore"] = read_ignored;
  f["ignore_regex"] = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    for (std::string& pattern : texts(v, p)) s.quantize.ignored_patterns.push_back(std::move(pattern));
  };
  f["ignore_types"] = f["ignore_op"] = read_types;
  f["smooth"] = keep<double>(number, [](auto& s) -> double& { return s.quantize.smooth_alpha; });
  f["sensitive_share"] = keep<double>(number, [](auto& s) -> double& { return s.quantize.sensitive_share; });
  f["rounding_iterations"] = keep<int>(integer, [](auto& s) -> int& { return s.quantize.rounding_iterations; });
  flag("adaround", [](auto& s) -> bool& { return s.quantize.adaptive_rounding; });
  unset("no_error_feedback", [](auto& s) -> bool& { return s.quantize.error_feedback; });
  flag("error_feedback", [](auto& s) -> bool& { return s.quantize.error_feedback; });
  unset("no_align", [](auto& s) -> bool& { return s.quantize.align_channels; });
  flag("align_channels", [](auto& s) -> bool& { return s.quantize.align_channels; });
  unset("no_batch_norm", [](auto& s) -> bool& { return s.quantize.batch_norm_statistics; });
  correction("no_bias_correction", BiasCorrection::none);
  correction("full_bias_correction", BiasCorrection::full);
  f["reduce_range"] = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    if (boolean(v, p)) s.quantize.saturation_fix = SaturationFix::all;
  };
  flag("strict_drop", [](auto& s) -> bool& { return s.strict_drop; });
  flag("sweep", [](auto& s) -> bool& { return s.sweep; });
  flag("random_data", [](auto& s) -> bool& { return s.random_data; });
  for (const char* name : {"data", "eval", "format", "list", "state", "plot", "mean", "std", "scale", "channels",
                           "resize", "labels"})
    f[name] = [name](const Json& v, const std::string& p, QuantizeSettings& s) {
      std::string& word = s.words[name];
      if (v.is_string()) word = v.get<std::string>();
      else if (v.is_number()) word = v.dump();
      else if (v.is_array())  // a number for each channel
        for (size_t i = 0; i < v.size(); ++i)
          word += fmt::format("{}{}", i ? "," : "", number(v[i], fmt::format("{}[{}]", p, i)));
      else throw Error(p, "is " + v.dump() + ", expected a string");
    };
}

}  // namespace hone::app::config
