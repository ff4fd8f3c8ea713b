#include "data/metrics/hierarchy.hpp"

#include <map>

namespace hone {

std::vector<ClassLevel> levels_of_classes(std::span<const std::string> classes) {
  std::vector<ClassLevel> levels;
  for (size_t depth = 1;; ++depth) {
    ClassLevel level;
    std::map<std::string, int> known;
    bool deeper = false;
    for (const std::string& name : classes) {
      size_t end = 0;
      for (size_t i = 0; i < depth && end != std::string::npos; ++i) end = name.find('/', i == 0 ? 0 : end + 1);
      deeper |= end != std::string::npos;
      auto [entry, is_new] = known.emplace(name.substr(0, end), static_cast<int>(known.size()));
      if (is_new) level.names.push_back(entry->first);
      level.group.push_back(entry->second);
    }
    if (!deeper) return levels;
    levels.push_back(std::move(level));
  }
}

std::vector<float> group_probabilities(const ClassLevel& level, std::span<const float> probabilities) {
  std::vector<float> sums(level.names.size(), 0);
  for (size_t i = 0; i < level.group.size() && i < probabilities.size(); ++i)
    sums[static_cast<size_t>(level.group[i])] += probabilities[i];
  return sums;
}

}  // namespace hone
