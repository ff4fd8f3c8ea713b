#include "app/support/format.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace hone::app {

namespace {
size_t columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string scaled(double value, const char* const* units, int count) {
  int unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < count) {
    value /= 1000;
    ++unit;
  }
  const char* space = units[unit][0] ? " " : "";
  if (unit == 0) return fmt::format("{:.0f}{}{}", value, space, units[unit]);
  return fmt::format("{:.{}f}{}{}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, space, units[unit]);
}
}  // namespace

std::string format_bytes(double bytes) {
  static const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  return scaled(bytes, units, 5);
}

std::string format_count(double count) {
  static const char* const units[] = {"", "k", "M", "G", "T"};
  return scaled(count, units, 5);
}

std::string format_percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

Table::Table(std::vector<std::string> header, std::vector<size_t> left) : left_(std::move(left)) {
  left_.push_back(0);
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

std::string Table::text() const {
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_)
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      std::string pad(widths[i] - columns(row[i]), ' ');
      bool left = std::find(left_.begin(), left_.end(), i) != left_.end();
      line += (i ? "  " : "") + (left ? row[i] + pad : pad + row[i]);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + '\n';
  }
  return text;
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump(1, ' ', false, Json::error_handler_t::replace)); }

Json read_json_file(const std::filesystem::path& path) {
  std::string text = read_text_file(path);
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) throw Error(fmt::format("'{}'", path.string()), "is no JSON file");
  return json;
}

void write_json_file(const std::filesystem::path& path, const Json& json) {
  write_file(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace hone::app
