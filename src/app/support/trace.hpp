#pragma once
#include <filesystem>

#include "app/support/latency.hpp"

namespace hone::app {

/// Writes the steps of one inference, each as long as it took on average, in the format of chrome://tracing and
/// Perfetto. `latency` must have been measured with `profile`. Throws Error when the file cannot be written.
void write_trace(const std::filesystem::path& path, const Latency& latency);

}  // namespace hone::app
