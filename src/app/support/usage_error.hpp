#pragma once
#include <stdexcept>
#include <string>

namespace hone::app {

/// The command line is wrong: one line on stderr and exit code 2.
struct UsageError : std::runtime_error {
  explicit UsageError(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace hone::app
