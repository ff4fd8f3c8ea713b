#include "base/nearest.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace hone {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::vector<std::string> nearest_words(std::string_view wanted, const std::vector<std::string>& words, size_t count) {
  auto lower = [](std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
  };
  std::string want = lower(wanted);
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& word : words) {
    std::string have = lower(word);
    bool inside = want.size() > 2 && have.size() > 2 &&
                  (have.find(want) != std::string::npos || want.find(have) != std::string::npos);
    size_t distance = inside ? 1 : edit_distance(want, have);
    if (distance <= std::max<size_t>(2, want.size() / 3)) ranked.emplace_back(distance, word);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (size_t i = 0; i < ranked.size() && i < count; ++i) result.push_back(ranked[i].second);
  return result;
}

}  // namespace hone
