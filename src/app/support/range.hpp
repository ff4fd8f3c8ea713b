#pragma once
#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace hone::app {

/// Checks that a number is within both limits, which may be open above (1e9 and more). Unlike CLI::Range it adds
/// nothing to the help text, says what is no number, and refuses one that is not finite.
template <class T>
CLI::Validator in_range(T low, T high) {
  auto check = [low, high](std::string& text) -> std::string {
    std::string expected = static_cast<double>(high) >= 1e9 ? fmt::format("expected {} or more", low)
                                                            : fmt::format("expected {} to {}", low, high);
    T value{};
    if (!CLI::detail::lexical_cast(text, value))
      return fmt::format("'{}' is not a {}, {}", text, std::is_integral_v<T> ? "whole number" : "number", expected);
    if (!(value >= low && value <= high)) return fmt::format("{} is out of range, {}", text, expected);
    return "";
  };
  return CLI::Validator(check, "");
}

}  // namespace hone::app
