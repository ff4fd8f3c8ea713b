#include "data/formats/yolo_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
std::string unquoted(const std::string& text) {
  std::string value = trimmed(text);
  if (value.size() >= 2 && (value[0] == '\'' || value[0] == '"') && value.back() == value[0])
    return value.substr(1, value.size() - 2);
  return value;
}

/// Cuts at a '#' outside quotes.
std::string without_comment(const std::string& line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (quote) {
      if (line[i] == quote) quote = 0;
    } else if ((line[i] == '\'' || line[i] == '"') &&
               (i == 0 || line[i - 1] == ' ' || line[i - 1] == '[' || line[i - 1] == ',')) {
      quote = line[i];
    } else if (line[i] == '#' && (i == 0 || line[i - 1] == ' ')) {
      return line.substr(0, i);
    }
  }
  return line;
}

/// The items of "[a, 'b', c]" or "{0: a, 1: b}".
std::vector<std::string> inline_items(const std::string& text) {
  std::vector<std::string> items(1);
  char quote = 0;
  for (char c : text.substr(1, text.size() - 2)) {
    if (quote ? c == quote : (c == '\'' || c == '"')) quote = quote ? 0 : c;
    if (c == ',' && !quote)
      items.emplace_back();
    else
      items.back() += c;
  }
  for (std::string& item : items) item = trimmed(item);
  std::erase(items, "");
  return items;
}

/// "3: dog" or "dog"; items of lists get the next index.
void set_name(std::vector<std::string>& names, const std::string& item, bool keyed, const std::string& place) {
  size_t index = names.size();
  std::string name = item;
  if (keyed) {
    size_t colon = item.find(':');
    std::string key = unquoted(item.substr(0, colon));
    auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    if (colon == std::string::npos || error != std::errc() || end != key.data() + key.size() || index > 100000)
      throw Error(place, fmt::format("'{}' is no class number with a name", item), "expected lines such as  0: person");
    name = item.substr(colon + 1);
  }
  if (names.size() <= index) names.resize(index + 1);
  names[index] = unquoted(name);
}
}  // namespace

YoloConfig read_yolo_config(const std::filesystem::path& path) {
  YoloConfig config;
  std::vector<std::string> lines = lines_of(read_text_file(path));
  std::string key, open;  // the key that indented lines belong to; an inline list that goes on
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string place = fmt::format("{} line {}", quoted(path), i + 1);
    std::string line = without_comment(lines[i]);
    std::string text = trimmed(line);
    if (text.empty() || text == "---") continue;
    std::string value;
    if (!open.empty()) {
      value = open + ' ' + text;
      open.clear();
    } else if (line[0] == ' ' || line[0] == '\t' || text[0] == '-') {
      bool item = text[0] == '-';
      if (item) text = trimmed(text.substr(1));
      if (key == "names") set_name(config.names, text, !item, place);
      if (item && (key == "train" || key == "val" || key == "test")) config.parts[key].push_back(unquoted(text));
      continue;
    } else {
      size_t colon = text.find(':');
      if (colon == std::string::npos)
        throw Error(place, fmt::format("'{}' is not understood", text.substr(0, 60)), "expected KEY: VALUE");
      key = trimmed(text.substr(0, colon));
      if (key == "valid" || key == "validation") key = "val";
      value = trimmed(text.substr(colon + 1));
    }
    if (value.empty()) continue;
    bool list = value[0] == '[' || value[0] == '{';
    if (list && value.back() != (value[0] == '[' ? ']' : '}')) {
      if (i + 1 == lines.size()) throw Error(place, "a list is not closed");
      open = value;
      continue;
    }
    if (key == "names" && list)
      for (const std::string& item : inline_items(value)) set_name(config.names, item, value[0] == '{', place);
    else if (key == "path")
      config.path = unquoted(value);
    else if (key == "train" || key == "val" || key == "test")
      config.parts[key] = list ? inline_items(value) : std::vector<std::string>{unquoted(value)};
  }
  return config;
}

}  // namespace hone
