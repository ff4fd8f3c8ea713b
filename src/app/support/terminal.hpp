#pragma once
#include <memory>

#include "base/progress.hpp"

namespace hone::app {

/// Draws progress on stderr: one line redrawn with a bar, percent, rate and time left; where stderr is no terminal, a
/// plain line every few seconds. Log messages appear above the line.
std::unique_ptr<Progress> make_progress();

/// Sends the library's messages to stderr through spdlog. HONE_LOG=debug|info|warning|error sets the level.
void install_log_sink();

}  // namespace hone::app
