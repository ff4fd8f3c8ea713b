#include "app/quantize/config_fields.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace hone::app::config {

void read_object(const Json& json, const std::string& place, const Fields& fields, QuantizeSettings& settings) {
  if (!json.is_object()) throw Error(place, "is not an object", "expected { ... }");
  auto preset = json.find("preset");
  if (preset != json.end() && !preset->is_null() && fields.count("preset"))
    fields.at("preset")(*preset, place + ".preset", settings);
  for (auto& [name, value] : json.items()) {
    if (name == "preset" && fields.count(name)) continue;
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
  if (!value.is_number_integer() || std::fabs(value.get<double>()) > 1e9)
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
  if (value.is_string()) return {value.get<std::string>()};
  if (!value.is_array()) throw Error(place, "is " + value.dump() + ", expected a list of strings");
  std::vector<std::string> result;
  for (size_t i = 0; i < value.size(); ++i) result.push_back(text(value[i], fmt::format("{}[{}]", place, i)));
  return result;
}

Action word(void (*set)(const std::string&, const std::string&, QuantizeSettings&)) {
  return [set](const Json& v, const std::string& p, QuantizeSettings& s) { set(p, text(v, p), s); };
}

Action object(const Fields& fields) {
  return [fields](const Json& v, const std::string& p, QuantizeSettings& s) { read_object(v, p, fields, s); };
}

void nothing(const Json&, const std::string&, QuantizeSettings&) {}

Action no_effect(const std::string& reason, const Json& harmless) {
  return [reason, harmless](const Json& v, const std::string& p, QuantizeSettings& s) {
    // Lists and objects that say nothing: {}, {"threshold": null}.
    bool empty = (v.is_array() || v.is_object()) &&
                 std::all_of(v.begin(), v.end(), [](const Json& part) { return part.is_null() || part == false; });
    if (!empty && v != harmless) s.notes.push_back(fmt::format("{} has no effect: {}", p, reason));
  };
}

}  // namespace hone::app::config
