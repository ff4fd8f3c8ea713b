#pragma once
#include <CLI/CLI.hpp>

namespace hone::app {

/// Checks that a number is within both limits; unlike CLI::Range it adds nothing to the help text.
template <class T>
CLI::Validator in_range(T low, T high) {
  return CLI::Validator(CLI::Range(low, high)).description("");
}

}  // namespace hone::app
