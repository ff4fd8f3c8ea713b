#pragma once
#include "app/cli/commands.hpp"

namespace hone::app {

/// `hone find`: the templates with what they cost on this machine.
Action add_find(CLI::App& app);

}  // namespace hone::app
