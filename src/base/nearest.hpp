#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

/// Insertions, deletions and substitutions that turn one word into the other (Levenshtein).
size_t edit_distance(std::string_view a, std::string_view b);
/// The words that look like `wanted` (case is ignored, a word inside the other counts as near), nearest first, at most
/// `count`; for error messages.
std::vector<std::string> nearest_words(std::string_view wanted, const std::vector<std::string>& words,
                                       size_t count = 3);

}  // namespace hone
