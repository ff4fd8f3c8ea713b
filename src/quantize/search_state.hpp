#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace hone {

/// What a search for accuracy has found so far: scores of units and accuracies of sets of reverted units. Looking up
/// replaces repeating, so a search that was interrupted goes through the same steps and reaches where it was at once.
class SearchState {
 public:
  /// `key` stands for model and options. Reads `file` if there is one; throws Error when that is of another search or
  /// damaged.
  SearchState(std::filesystem::path file, std::string key);

  std::optional<double> score(const std::string& unit) const;
  void set_score(const std::string& unit, double score);
  std::optional<double> accuracy(const std::string& what) const;
  void set_accuracy(const std::string& what, double accuracy);
  /// The name of a set of units, for accuracy().
  static std::string name_of(const std::set<std::string>& reverted);
  /// Removes the file: the search is over.
  void finish() const;
  bool resumed() const { return resumed_; }

 private:
  void read();
  void write() const;
  std::filesystem::path file_;
  std::string key_;
  std::map<std::string, double> scores_, accuracies_;
  bool resumed_ = false;
};

}  // namespace hone
