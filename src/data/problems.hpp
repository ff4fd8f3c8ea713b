#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace hone {

/// What is wrong in many places in one way.
struct Problem {
  std::string what;    ///< "boxes outside the image were dropped"
  std::string remedy;  ///< may be empty
  int64_t count = 0;
  std::vector<std::string> places;  ///< the first few: "'labels/7.txt' line 3: class 12 of 0 to 9"
};

/// Problems of single annotations that a reader goes on after. Grouped by kind, with a count and the first places.
class Problems {
 public:
  static constexpr size_t places_kept = 10;
  void add(const std::string& what, const std::string& place, const std::string& remedy = {});
  void add(const Problem& problem);
  const std::vector<Problem>& list() const { return list_; }
  int64_t total() const;
  bool empty() const { return list_.empty(); }

 private:
  std::vector<Problem> list_;
};

}  // namespace hone
