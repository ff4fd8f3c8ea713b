#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/duration.hpp"

namespace hone::app {

using Json = nlohmann::ordered_json;

std::string format_bytes(double bytes);       ///< "512 B", "8.9 MB" (powers of 1000, as disks and file managers count)
std::string format_count(double count);       ///< "812", "3.5 M", "1.82 G"
std::string format_percent(double share);     ///< 0.854 -> "85.4%"

/// Text in columns: the first is left-aligned, further ones are right-aligned unless named in `left`.
class Table {
 public:
  explicit Table(std::vector<std::string> header, std::vector<size_t> left = {});
  void add(std::vector<std::string> row);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> left_;
};

/// Prints JSON and a line end on stdout. Bytes that are not UTF-8 (in file names) are replaced.
void print_json(const Json& json);
/// Throws Error naming the file when it is missing or no JSON.
Json read_json_file(const std::filesystem::path& path);
void write_json_file(const std::filesystem::path& path, const Json& json);

}  // namespace hone::app
