#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace hone {

/// 'path', for messages.
std::string quoted(const std::filesystem::path& path);
/// Up to `count` of `names` that are spelled most like `word`; those that are nothing like it are left out.
std::vector<std::string> nearest_names(const std::string& word, const std::vector<std::string>& names,
                                       size_t count = 3);
/// "'a', 'b', 'c', ..." with at most `limit` names.
std::string name_list(const std::vector<std::string>& names, size_t limit = 10);
std::string to_lower(std::string text);

}  // namespace hone
