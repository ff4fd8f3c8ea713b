#include "data/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/nearest.hpp"

namespace hone {

std::string quoted(const std::filesystem::path& path) { return fmt::format("'{}'", path.string()); }

std::string to_lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<std::string> nearest_names(const std::string& word, const std::vector<std::string>& names, size_t count) {
  std::vector<std::pair<size_t, std::string>> ranked;
  std::string wanted = to_lower(word);
  for (const std::string& name : names) {
    std::string candidate = to_lower(name);
    bool contained = wanted.size() > 2 &&
                     (candidate.find(wanted) != std::string::npos || wanted.find(candidate) != std::string::npos);
    size_t distance = contained ? 1 : edit_distance(wanted, candidate);
    if (distance <= std::max<size_t>(2, wanted.size() / 3)) ranked.emplace_back(distance, name);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (size_t i = 0; i < ranked.size() && i < count; ++i) result.push_back(ranked[i].second);
  return result;
}

std::string name_list(const std::vector<std::string>& names, size_t limit) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < limit; ++i) text += fmt::format("{}'{}'", i ? ", " : "", names[i]);
  if (names.size() > limit) text += fmt::format(", ... ({} in all)", names.size());
  return text;
}

}  // namespace hone
