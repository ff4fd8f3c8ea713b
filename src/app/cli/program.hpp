#pragma once
#include <vector>

#include "app/cli/commands.hpp"

namespace hone::app {

/// Exit codes of the program.
enum ExitCode { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_interrupted = 130 };

/// The whole program: parses the command line, runs the command, turns errors into a line on stderr and an exit code.
int run_program(int argc, char** argv, const std::vector<Command>& commands);

}  // namespace hone::app
