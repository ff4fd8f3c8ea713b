#include "app/support/skipped.hpp"

#include <fmt/format.h>

namespace hone::app {

namespace {
constexpr size_t shown = 5;
}

std::string describe_skipped(const std::vector<Skipped>& skipped) {
  if (skipped.empty()) return "";
  std::string text = fmt::format("{} {} skipped:\n", skipped.size(), skipped.size() == 1 ? "image" : "images");
  for (size_t i = 0; i < skipped.size() && i < shown; ++i)
    text += fmt::format("  {}: {}\n", skipped[i].path.string(), skipped[i].reason);
  if (skipped.size() > shown) text += fmt::format("  and {} more\n", skipped.size() - shown);
  return text;
}

std::string list_skipped(const std::vector<Skipped>& skipped) {
  std::string text;
  for (const Skipped& file : skipped) text += fmt::format("{}: {}\n", file.path.string(), file.reason);
  return text;
}

}  // namespace hone::app
