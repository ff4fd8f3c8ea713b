#pragma once
#include "app/cli/commands.hpp"

namespace hone::app {

Action add_train(CLI::App& app);

}  // namespace hone::app
