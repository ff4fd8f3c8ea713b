#pragma once
#include <functional>
#include <vector>

namespace CLI {
class App;
}

namespace hone::app {

/// What a command does once its options are parsed; returns the exit code.
using Action = std::function<int()>;

struct Command {
  const char* name;
  const char* summary;
  /// Adds the command's options to its parser and returns its action, which owns them. nullptr: another program has it.
  Action (*add)(CLI::App& app);
  const char* program = nullptr;  ///< ... of this name, beside this one
};

/// All commands, in the order of the help text.
const std::vector<Command>& commands();

// Each is defined in the file of the same name; train in programs/hone_trainer.
Action add_data(CLI::App& app);
Action add_eval(CLI::App& app);
Action add_quantize(CLI::App& app);
Action add_optimize(CLI::App& app);
Action add_bench(CLI::App& app);
Action add_convert(CLI::App& app);
Action add_compare(CLI::App& app);
Action add_run(CLI::App& app);
Action add_explain(CLI::App& app);
Action add_deploy(CLI::App& app);
Action add_inspect(CLI::App& app);
Action add_report(CLI::App& app);
Action add_conformance(CLI::App& app);
Action add_generate(CLI::App& app);
Action add_doctor(CLI::App& app);
Action add_devices(CLI::App& app);

}  // namespace hone::app
