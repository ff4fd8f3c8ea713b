#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/quantize/quantize_config.hpp"

/// How objects of a quantization file are read: a table of fields and what each does.
namespace hone::app::config {

/// `place` names the field in errors: "'file.json'.compression.target_device".
using Action = std::function<void(const Json& value, const std::string& place, QuantizeSettings& settings)>;
using Fields = std::map<std::string, Action>;

/// Does what the fields of an object say, "preset" first, so that all others go over it; null counts as absent. Throws
/// Error for a field that is not in the table, with those that look like it.
void read_object(const Json& json, const std::string& place, const Fields& fields, QuantizeSettings& settings);

// Values of one kind. Throw Error naming the place for others.
double number(const Json& value, const std::string& place);
int integer(const Json& value, const std::string& place);
bool boolean(const Json& value, const std::string& place);
std::string text(const Json& value, const std::string& place);
std::vector<std::string> texts(const Json& value, const std::string& place);

/// A field whose words set_preset() and the like know.
Action word(void (*set)(const std::string&, const std::string&, QuantizeSettings&));
Action object(const Fields& fields);
/// A field that matters for the other tool only.
void nothing(const Json& value, const std::string& place, QuantizeSettings& settings);
/// A field that would change results elsewhere and does not here: is noted with the reason, unless its value is
/// `harmless`, or a list or an object of nothing but null and false.
Action no_effect(const std::string& reason, const Json& harmless = {});

template <class T>
Action keep(T (*read)(const Json&, const std::string&), std::function<T&(QuantizeSettings&)> target) {
  return [=](const Json& v, const std::string& p, QuantizeSettings& s) { target(s) = read(v, p); };
}

/// range_estimator of POT, range_estimator_params of NNCF, initializer.range of NNCF's older files, or one of our
/// words.
void read_range(const Json& value, const std::string& place, QuantizeSettings& settings);
/// `activations` of POT, `activations_quantization_params` of NNCF.
void read_activations(const Json& value, const std::string& place, QuantizeSettings& settings);
/// `weights` of POT, `weights_quantization_params` of NNCF.
void read_weights(const Json& value, const std::string& place, QuantizeSettings& settings);
/// `ignored` of POT, `ignored_scope` of NNCF, or a list of names, where "{re}" begins a regular expression.
void read_ignored(const Json& value, const std::string& place, QuantizeSettings& settings);
/// A list of op types, in ONNX's or OpenVINO's names.
void read_types(const Json& value, const std::string& place, QuantizeSettings& settings);
/// Parameters of NNCF's compress_weights() but for the mode.
void add_weight_fields(Fields& fields);
/// The options of `hone quantize` by their names, with _ for -.
void add_own_fields(Fields& fields);

}  // namespace hone::app::config
