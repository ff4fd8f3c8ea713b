#include "app/quantize/quantize_config.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace hone::app {

namespace {

using Action = std::function<void(const Json& value, const std::string& place, QuantizeSettings& settings)>;
using Fields = std::map<std::string, Action>;

void read_object(const Json& json, const std::string& place, const Fields& fields, QuantizeSettings& settings) {
  if (!json.is_object()) throw Error(place, "is not an object", "expected { ... }");
  for (auto& [name, value] : json.items()) {
    auto found = fields.find(name);
    if (found == fields.end()) {
      std::vector<std::string> known;
      for (auto& [other, action] : fields) known.push_back(other);
      auto near = nearest_words(name, known);
      throw Error(place, fmt::format("has an unknown field '{}'", name),
                  fmt::format("{}: '{}'", near.empty() ? "known fields" : "near it",
                              fmt::join(near.empty() ? known : near, "', '")));
    }
    if (!value.is_null()) found->second(value, place + "." + name, settings);
  }
}

double number(const Json& value, const std::string& place) {
  if (!value.is_number()) throw Error(place, "is " + value.dump() + ", expected a number");
  return value.get<double>();
}
int integer(const Json& value, const std::string& place) {
  if (!value.is_number_integer() || std::abs(value.get<double>()) > 1e9)
    throw Error(place, "is " + value.dump() + ", expected an integer");
  return value.get<int>();
}
bool boolean(const Json& value, const std::string& place) {
  if (!value.is_boolean()) throw Error(place, "is " + value.dump() + ", expected true or false");
  return value.get<bool>();
}
std::string text(const Json& value, const std::string& place) {
  if (!value.is_string()) throw Error(place, "is " + value.dump() + ", expected a string");
  return value.get<std::string>();
}
std::vector<std::string> texts(const Json& value, const std::string& place) {
  if (!value.is_array()) throw Error(place, "is " + value.dump() + ", expected a list of strings");
  std::vector<std::string> result;
  for (size_t i = 0; i < value.size(); ++i) result.push_back(text(value[i], fmt::format("{}[{}]", place, i)));
  return result;
}

using Setter = void (*)(const std::string&, const std::string&, QuantizeSettings&);
Action word(Setter set) {
  return [set](const Json& v, const std::string& p, QuantizeSettings& s) { set(p, text(v, p), s); };
}
template <class T>
Action keep(T (*read)(const Json&, const std::string&), std::function<T&(QuantizeSettings&)> target) {
  return [=](const Json& v, const std::string& p, QuantizeSettings& s) { target(s) = read(v, p); };
}
Action object(const Fields& fields) {
  return [fields](const Json& v, const std::string& p, QuantizeSettings& s) { read_object(v, p, fields, s); };
}
const Action nothing = [](const Json&, const std::string&, QuantizeSettings&) {};

CompressOptions& weights_of(QuantizeSettings& s) {
  if (!s.weights) s.weights.emplace();
  return *s.weights;
}

// OpenVINO's names of common op types, which POT's files use.
std::string onnx_type(const std::string& name) {
  static const std::map<std::string, std::string> names{{"Convolution", "Conv"},
                                                        {"GroupConvolution", "Conv"},
                                                        {"ConvolutionBackpropData", "ConvTranspose"},
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
                                                        {"Clamp", "Clip"},
                                                        {"Swish", "Swish"}};
  auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

void read_operations(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (!value.is_array()) throw Error(place, "is " + value.dump() + ", expected a list of {\"type\": ...}");
  for (size_t i = 0; i < value.size(); ++i) {
    Fields fields{{"type", [](const Json& v, const std::string& p, QuantizeSettings& s) {
                     s.quantize.ignored_op_types.push_back(onnx_type(text(v, p)));
                   }}, {"attributes", nothing}};
    read_object(value[i], fmt::format("{}[{}]", place, i), fields, settings);
  }
}

void read_types(const Json& value, const std::string& place, QuantizeSettings& settings) {
  for (const std::string& type : texts(value, place)) settings.quantize.ignored_op_types.push_back(onnx_type(type));
}

// {"min": {...}, "max": {...}} with statistics and aggregators, or {"preset": ...}, or one of our own names.
void read_range(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (value.is_string()) return set_range(place, value, settings);
  auto preset = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    std::string name = text(v, p);
    if (name != "default" && name != "quantile") throw Error(p, "got '" + name + "', expected default or quantile");
    s.quantize.range = name == "default" ? RangeMethod::mean_min_max : RangeMethod::percentile;
  };
  auto statistic = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    std::string name = text(v, p);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    bool quantile = name == "quantile" || name == "abs_quantile" || name == "percentile";
    if (!quantile && name != "min" && name != "max" && name != "abs_max")
      throw Error(p, "got '" + name + "', expected min, max, abs_max, quantile or abs_quantile");
    if (quantile) s.quantize.range = RangeMethod::percentile;
    else if (s.quantize.range != RangeMethod::mean_min_max) s.quantize.range = RangeMethod::min_max;
  };
  auto aggregator = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    std::string name = text(v, p);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    static const char* const known[] = {"mean", "mean_no_outliers", "median", "median_no_outliers", "min", "max"};
    if (std::find(std::begin(known), std::end(known), name) == std::end(known))
      throw Error(p, "got '" + name + "', expected mean, median, min or max");
    bool average = name.starts_with("mean") || name.starts_with("median");
    if (s.quantize.range != RangeMethod::percentile)
      s.quantize.range = average ? RangeMethod::mean_min_max : RangeMethod::min_max;
  };
  auto outliers = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    s.quantize.percentile = 100 * (1 - number(v, p));
  };
  Fields side{{"type", statistic},        {"statistics_type", statistic},
              {"aggregator", aggregator}, {"aggregator_type", aggregator},
              {"outlier_prob", outliers}, {"quantile_outlier_prob", outliers},
              {"clipping_value", nothing}};
  Fields fields{{"preset", preset},       {"min", object(side)},   {"max", object(side)},
                {"per_channel", nothing}, {"perchannel", nothing}, {"pertensor", nothing}};
  read_object(value, place, fields, settings);
}

void read_activations(const Json& value, const std::string& place, QuantizeSettings& settings) {
  auto mode = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    std::string name = text(v, p);
    if (name != "symmetric" && name != "asymmetric")
      throw Error(p, "got '" + name + "', expected symmetric or asymmetric");
    set_preset(p, name == "symmetric" ? "performance" : "mixed", s);
  };
  auto bits = [](const Json& v, const std::string& p, QuantizeSettings&) {
    if (integer(v, p) != 8) throw Error(p, "is " + v.dump() + ", expected 8");
  };
  read_object(value, place, {{"bits", bits}, {"mode", mode}, {"granularity", nothing}, {"range_estimator", read_range},
                             {"range_estimator_params", read_range}}, settings);
}

void read_weights(const Json& value, const std::string& place, QuantizeSettings& settings) {
  auto bits = [](const Json& v, const std::string& p, QuantizeSettings& s) {
    int wanted = integer(v, p);
    if (wanted != 7 && wanted != 8) throw Error(p, "is " + v.dump() + ", expected 7 or 8");
    if (wanted == 7) s.quantize.saturation_fix = SaturationFix::all;
  };
  read_object(value, place, {{"bits", bits}, {"mode", nothing}, {"granularity", nothing}, {"range_estimator", nothing}},
              settings);
}

void set_fast_bias(const Json& v, const std::string& p, QuantizeSettings& s) {
  s.quantize.bias_correction = boolean(v, p) ? BiasCorrection::fast : BiasCorrection::full;
}

// A word, or false for none and true for what is best.
void read_bias_correction(const Json& v, const std::string& p, QuantizeSettings& s) {
  if (v.is_string()) return set_bias_correction(p, v, s);
  s.quantize.bias_correction = boolean(v, p) ? BiasCorrection::automatic : BiasCorrection::none;
}

const Fields& advanced_fields() {
  static const Fields fields{
      {"overflow_fix", word(set_saturation_fix)},
      {"activations_range_estimator_params", read_range},
      {"weights_range_estimator_params", nothing},
      {"disable_bias_correction",
       [](const Json& v, const std::string& p, QuantizeSettings& s) {
         if (boolean(v, p)) s.quantize.bias_correction = BiasCorrection::none;
       }},
      {"disable_channel_alignment",
       [](const Json& v, const std::string& p, QuantizeSettings& s) { s.quantize.equalize = !boolean(v, p); }},
      {"smooth_quant_alpha", keep<double>(number, [](auto& s) -> double& { return s.quantize.smooth_alpha; })},
      {"activations_quantization_params", read_activations},
      {"weights_quantization_params", read_weights},
      {"backend_params", nothing},
      {"inplace_statistics", nothing},
      {"batchwise_statistics", nothing}};
  return fields;
}

const Fields& scope_fields() {
  static const Fields fields{
      {"names", keep<std::vector<std::string>>(texts, [](auto& s) -> auto& { return s.quantize.ignored_nodes; })},
      {"scope", keep<std::vector<std::string>>(texts, [](auto& s) -> auto& { return s.quantize.ignored_nodes; })},
      {"patterns", keep<std::vector<std::string>>(texts, [](auto& s) -> auto& { return s.quantize.ignored_patterns; })},
      {"types", read_types}, {"operations", read_operations}, {"validate", nothing}, {"subgraphs", nothing}};
  return fields;
}

void read_drop(const Json& v, const std::string& p, QuantizeSettings& s) {
  s.accuracy.max_drop = number(v, p);
  s.keep_accuracy = true;
}

// What an algorithm of POT, a call of NNCF and our own files have in common.
const Fields& common_fields() {
  static const Fields fields = [] {
    auto whole = [](std::function<int&(QuantizeSettings&)> target) { return keep<int>(integer, std::move(target)); };
    auto flag = [](std::function<bool&(QuantizeSettings&)> target) { return keep<bool>(boolean, std::move(target)); };
    Fields f{{"preset", word(set_preset)},
             {"target_device", word(set_target_device)},
             {"model_type", word(set_model_type)},
             {"range", read_range},
             {"range_estimator", read_range},
             {"range_estimator_params", read_range},
             {"saturation_fix", word(set_saturation_fix)},
             {"overflow_fix", word(set_saturation_fix)},
             {"ignored", object(scope_fields())},
             {"ignored_scope", object(scope_fields())},
             {"advanced_parameters", object(advanced_fields())},
             {"activations", read_activations},
             {"use_fast_bias", set_fast_bias},
             {"fast_bias_correction", set_fast_bias},
             {"maximal_drop", read_drop},
             {"max_drop", read_drop},
             {"drop_type", word(set_drop_type)},
             {"mode", word(set_weights)}};
    f["percentile"] = keep<double>(number, [](auto& s) -> double& { return s.quantize.percentile; });
    for (const char* name : {"subset_size", "stat_subset_size"})
      f[name] = whole([](auto& s) -> int& { return s.quantize.subset_size; });
    for (const char* name : {"max_iterations", "max_iter_num", "max_num_iterations"})
      f[name] = whole([](auto& s) -> int& { return s.accuracy.max_iterations; });
    for (const char* name : {"ranking_subset", "ranking_subset_size"})
      f[name] = whole([](auto& s) -> int& { return s.accuracy.ranking_subset; });
    f["bias_correction"] = read_bias_correction;
    f["equalize"] = flag([](auto& s) -> bool& { return s.quantize.equalize; });
    f["batch_norm_statistics"] = flag([](auto& s) -> bool& { return s.quantize.batch_norm_statistics; });
    for (const char* name : {"adaptive_rounding", "use_layerwise_tuning"})
      f[name] = flag([](auto& s) -> bool& { return s.quantize.adaptive_rounding; });
    f["smooth_alpha"] = keep<double>(number, [](auto& s) -> double& { return s.quantize.smooth_alpha; });
    f["group_size"] = whole([](auto& s) -> int& { return weights_of(s).group_size; });
    f["ratio"] = keep<double>(number, [](auto& s) -> double& { return weights_of(s).ratio; });
    f["data_aware"] = flag([](auto& s) -> bool& { return weights_of(s).data_aware; });
    // "weights": "int4", or POT's parameters of weight quantizers.
    f["weights"] = [](const Json& v, const std::string& p, QuantizeSettings& s) {
      if (v.is_string()) set_weights(p, v, s);
      else read_weights(v, p, s);
    };
    for (const char* name :
         {"stat_subset_seed", "stat_batch_size", "shuffle_data", "seed", "metrics", "base_algorithm", "annotation_free",
          "inplace_statistics", "convert_to_mixed_preset", "tune_hyperparams", "dump_intermediate_model"})
      f[name] = nothing;
    return f;
  }();
  return fields;
}

void read_algorithms(const Json& value, const std::string& place, QuantizeSettings& settings) {
  if (!value.is_array() || value.empty()) throw Error(place, "is " + value.dump() + ", expected a list of algorithms");
  for (size_t i = 0; i < value.size(); ++i) {
    auto name = [](const Json& v, const std::string& p, QuantizeSettings& s) {
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
    };
    read_object(value[i], fmt::format("{}[{}]", place, i), {{"name", name}, {"params", object(common_fields())}},
                settings);
  }
}

}  // namespace

void apply_quantize_config(const Json& json, const std::string& place, QuantizeSettings& settings) {
  Fields fields = common_fields();
  // Models and engines of a POT file are for its own reader of data.
  fields["model"] = fields["engine"] = nothing;
  fields["compression"] = object({{"target_device", word(set_target_device)},
                                  {"model_type", word(set_model_type)},
                                  {"algorithms", read_algorithms},
                                  {"dump_intermediate_model", nothing},
                                  {"inplace_statistics", nothing}});
  read_object(json, place, fields, settings);
}

void read_quantize_config(const std::filesystem::path& path, QuantizeSettings& settings) {
  apply_quantize_config(read_json_file(path), "'" + path.string() + "'", settings);
}

}  // namespace hone::app
