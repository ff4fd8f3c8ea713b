#pragma once
#include "app/cli/commands.hpp"

namespace hone::app {

/// `hone demo`, which is a program of its own: libraries for videos and windows take long to load.
Action add_demo(CLI::App& app);

}  // namespace hone::app
