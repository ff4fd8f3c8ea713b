#include "data/problems.hpp"

#include <algorithm>

namespace hone {

void Problems::add(const std::string& what, const std::string& place, const std::string& remedy) {
  add(Problem{what, remedy, 1, {place}});
}

void Problems::add(const Problem& problem) {
  auto found =
      std::find_if(list_.begin(), list_.end(), [&](const Problem& known) { return known.what == problem.what; });
  if (found == list_.end()) found = list_.insert(list_.end(), Problem{problem.what, problem.remedy, 0, {}});
  found->count += problem.count;
  for (const std::string& place : problem.places)
    if (found->places.size() < places_kept) found->places.push_back(place);
}

int64_t Problems::total() const {
  int64_t sum = 0;
  for (const Problem& problem : list_) sum += problem.count;
  return sum;
}

}  // namespace hone
