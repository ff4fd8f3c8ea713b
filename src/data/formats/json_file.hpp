#pragma once
#include <filesystem>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

namespace hone {

/// Throws Error with line and column when the file is no JSON.
nlohmann::json read_json(const std::filesystem::path& path);
/// The keys of the outermost object, without building the rest; stops once all of `wanted` were seen. Empty when the
/// file is no JSON object.
std::set<std::string> outer_keys(const std::filesystem::path& path, const std::set<std::string>& wanted);

}  // namespace hone
