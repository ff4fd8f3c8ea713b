#include <functional>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/quantize/quantize_config.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"

namespace hone::app {

namespace {

using Words = std::map<std::string, std::function<void(QuantizeSettings&)>>;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

/// Words in any case.
void choose(const std::string& place, const std::string& word, const Words& words, QuantizeSettings& settings) {
  auto found = words.find(lower(word));
  if (found != words.end()) return found->second(settings);
  std::vector<std::string> known;
  for (auto& [name, action] : words) known.push_back(name);
  throw Error(place, fmt::format("got '{}', expected {}", word, fmt::join(known, ", ")));
}

}  // namespace

void set_preset(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  auto scheme = [](ActivationScheme value) { return [value](QuantizeSettings& s) { s.quantize.activations = value; }; };
  choose(place, word,
         {{"performance", scheme(ActivationScheme::symmetric)},
          {"mixed", scheme(ActivationScheme::asymmetric)},
          // NNCF's "accuracy" and POT's "default" mean these.
          {"accuracy", scheme(ActivationScheme::asymmetric)},
          {"default", scheme(ActivationScheme::symmetric)}},
         settings);
}

void set_range(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  Words words;
  for (RangeMethod method : range_methods())
    words[name_of(method)] = [method](QuantizeSettings& s) { s.quantize.range = method; };
  words["minmax"] = words["min_max"];
  words["mean"] = words["mean_minmax"] = words["mean_min_max"];
  words["kl"] = words["entropy"];
  words["auto"] = [](QuantizeSettings& s) { s.quantize.range = RangeMethod::automatic; };
  choose(place, word, words, settings);
}

void set_bias_correction(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  auto way = [](BiasCorrection value) { return [value](QuantizeSettings& s) { s.quantize.bias_correction = value; }; };
  choose(place, word,
         {{"auto", way(BiasCorrection::automatic)},
          {"none", way(BiasCorrection::none)},
          {"no", way(BiasCorrection::none)},
          {"fast", way(BiasCorrection::fast)},
          {"full", way(BiasCorrection::full)}},
         settings);
}

void set_model_type(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  choose(place, word,
         {{"transformer", [](QuantizeSettings& s) { s.quantize.model_type = ModelType::transformer; }},
          {"general", [](QuantizeSettings& s) { s.quantize.model_type = ModelType::general; }},
          {"none", [](QuantizeSettings& s) { s.quantize.model_type = ModelType::general; }}},  // POT's word
         settings);
}

void set_saturation_fix(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  auto fix = [](SaturationFix value) { return [value](QuantizeSettings& s) { s.quantize.saturation_fix = value; }; };
  choose(place, word,
         {{"auto", fix(SaturationFix::automatic)},
          {"all", fix(SaturationFix::all)},
          {"enable", fix(SaturationFix::all)},
          {"no", fix(SaturationFix::none)},
          {"none", fix(SaturationFix::none)},
          {"disable", fix(SaturationFix::none)},
          {"first_layer", fix(SaturationFix::first_layer)},
          {"first_layer_only", fix(SaturationFix::first_layer)}},
         settings);
}

void set_target_device(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  std::string name = lower(word);
  if (name == "any") name = "auto";  // POT's and NNCF's default: wherever it is quantized
  if (name == "cpu_spr") name = "cpu-vnni";
  try {
    saturates(name);
  } catch (const Error&) {
    throw Error(place, fmt::format("'{}' is not a known device", word),
                "expected auto (this processor), cpu-sse, cpu-avx2, cpu-avx512, cpu-vnni or any");
  }
  settings.quantize.target_device = name;
}

void set_drop_type(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  choose(place, word,
         {{"absolute", [](QuantizeSettings& s) { s.accuracy.drop_type = DropType::absolute; }},
          {"relative", [](QuantizeSettings& s) { s.accuracy.drop_type = DropType::relative; }}},
         settings);
}

void set_weights(const std::string& place, const std::string& word, QuantizeSettings& settings) {
  auto format = [](WeightFormat value, std::optional<bool> symmetric) {
    return [value, symmetric](QuantizeSettings& s) {
      if (!s.weights) s.weights.emplace();
      s.weights->format = value;
      if (symmetric) s.weights->symmetric = *symmetric;
      if (value == WeightFormat::int4 && s.weights->group_size == -1) s.weights->group_size = 128;
    };
  };
  choose(place, word,
         {{"int8", format(WeightFormat::int8, {})},
          {"int8_sym", format(WeightFormat::int8, true)},
          {"int8_asym", format(WeightFormat::int8, false)},
          {"int4", format(WeightFormat::int4, {})},
          {"int4_sym", format(WeightFormat::int4, true)},
          {"int4_asym", format(WeightFormat::int4, false)},
          {"fp16", format(WeightFormat::fp16, {})},
          {"bf16", format(WeightFormat::bf16, {})}},
         settings);
}

}  // namespace hone::app
