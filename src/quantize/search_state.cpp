#include "quantize/search_state.hpp"

#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace hone {

namespace {
// A line a fact: "score 0.25 unit name" or "accuracy 0.75 hash of a set". Numbers come back exactly.
constexpr const char* title = "hone accuracy search 1 ";
}  // namespace

SearchState::SearchState(std::filesystem::path file, std::string key) : file_(std::move(file)), key_(std::move(key)) {
  std::error_code ignored;
  if (!file_.empty() && std::filesystem::exists(file_, ignored)) read();
}

void SearchState::read() {
  std::string place = "search state '" + file_.string() + "'", text = read_text_file(file_);
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  if (!line.starts_with(title)) throw Error(place, "is no such file", "remove it or name another one");
  if (line.substr(std::string(title).size()) != key_)
    throw Error(place, "belongs to another model, other data or other options", "remove it or name another one");
  while (std::getline(lines, line)) {
    size_t first = line.find(' '), second = line.find(' ', first + 1);
    double number = 0;
    const char* end = second == std::string::npos ? nullptr : line.data() + second;
    if (!end || std::from_chars(line.data() + first + 1, end, number).ptr != end)
      throw Error(place, fmt::format("has a damaged line '{}'", line), "remove the file");
    (line.starts_with("score") ? scores_ : accuracies_)[line.substr(second + 1)] = number;
  }
  resumed_ = !scores_.empty() || !accuracies_.empty();
}

void SearchState::write() const {
  if (file_.empty()) return;
  std::string text = title + key_ + "\n";
  for (auto& [unit, score] : scores_) text += fmt::format("score {} {}\n", score, unit);
  for (auto& [what, accuracy] : accuracies_) text += fmt::format("accuracy {} {}\n", accuracy, what);
  write_file(file_, text);
}

std::optional<double> SearchState::score(const std::string& unit) const {
  auto found = scores_.find(unit);
  return found == scores_.end() ? std::nullopt : std::optional(found->second);
}

void SearchState::set_score(const std::string& unit, double score) {
  scores_[unit] = score;
  write();
}

std::optional<double> SearchState::accuracy(const std::string& what) const {
  auto found = accuracies_.find(what);
  return found == accuracies_.end() ? std::nullopt : std::optional(found->second);
}

void SearchState::set_accuracy(const std::string& what, double accuracy) {
  accuracies_[what] = accuracy;
  write();
}

std::string SearchState::name_of(const std::set<std::string>& reverted) {
  uint64_t hash = 1469598103934665603ULL;  // FNV-1a
  for (const std::string& unit : reverted) {
    for (char c : unit) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 0xff) * 1099511628211ULL;
  }
  return fmt::format("{}-{:016x}", reverted.size(), hash);
}

void SearchState::finish() const {
  std::error_code ignored;
  if (!file_.empty()) std::filesystem::remove(file_, ignored);
}

}  // namespace hone
