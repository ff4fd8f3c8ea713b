#include "app/cli/program.hpp"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "base/nearest.hpp"

namespace hone::app {

namespace {

/// The first Ctrl-C asks the work to stop at a safe point, the second ends the process as if there were no handler.
void on_signal(int signal) {
  if (interrupt_requested()) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  request_interrupt();
  const char text[] = "\nhone: stopping; press Ctrl-C again to end at once\n";
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text, sizeof text - 1);
}

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A file over the limit of ulimit -f is then a failed write, with an error that names it.
  std::signal(SIGXFSZ, SIG_IGN);
}

std::string suggestion(const std::string& word, const std::vector<std::string>& words) {
  std::vector<std::string> near = nearest_words(word, words, 1);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near[0]);
}

/// Throws UsageError for a first word that is no command.
const Command& find_command(const std::string& name, const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (name == command.name) return command;
    names.push_back(command.name);
  }
  std::string hint = suggestion(name, names);
  throw UsageError(fmt::format("no command '{}'{}", name, hint.empty() ? "; see hone --help" : hint));
}

[[noreturn]] void throw_unexpected(const CLI::App& app, const std::vector<std::string>& words) {
  std::string word = words.empty() ? "" : words[0];
  if (word.size() < 2 || word[0] != '-')
    throw UsageError(fmt::format("'{}' is one argument too many; see hone {} --help", word, app.get_name()));
  std::string option = word.substr(0, word.find('='));
  std::vector<std::string> names;
  for (const CLI::Option* known : app.get_options())
    for (const std::string& name : known->get_lnames()) names.push_back("--" + name);
  std::string hint = suggestion(option, names);
  if (hint.empty()) hint = fmt::format("; see hone {} --help", app.get_name());
  throw UsageError(fmt::format("{} has no option '{}'{}", app.get_name(), option, hint));
}

/// Becomes the program that has the command.
[[noreturn]] void run_other_program(const Command& command, std::vector<std::string> arguments) {
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / command.program;
  std::string name = program;
  std::vector<char*> argv{name.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(name.c_str(), argv.data());
  if (errno == ENOENT)
    throw Error(
        fmt::format("command '{}'", command.name), "is not in this build",
        fmt::format("build with {}, or install {} beside hone",
                    std::string_view(command.name) == "train" ? "-DHONE_TRAIN=ON" : "all packages of scripts/setup",
                    command.program));
  throw Error("'" + name + "'", std::string("cannot be started: ") + std::strerror(errno));
}

/// Builds the parser of every command, parses, and runs the command chosen.
int dispatch(int argc, char** argv, const std::vector<Command>& commands) {
  CLI::App app("Hone: computer vision from data to a fast edge application, in one program.", "hone");
  app.set_version_flag("--version", "hone " HONE_VERSION);
  app.set_help_flag("-h,--help", "show this help");
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.require_subcommand(1);
  app.footer("hone COMMAND --help explains a command.\n");
  std::map<const CLI::App*, Action> actions;
  for (const Command& command : commands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->group("Commands")->set_help_flag("-h,--help", "show this help");
    sub->get_formatter()->column_width(34);
    sub->get_formatter()->label("REQUIRED", "");
    sub->option_defaults()->always_capture_default();
    if (command.add) actions[sub] = command.add(*sub);
  }
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    fmt::print(stderr, "{}", app.help());
    return exit_usage;
  }
  if (arguments[0] == "help") {  // hone help bench == hone bench --help
    arguments.erase(arguments.begin());
    arguments.resize(std::min<size_t>(arguments.size(), 1));
    arguments.push_back("--help");
  }
  if (arguments[0][0] != '-') {
    const Command& command = find_command(arguments[0], commands);
    if (command.program) run_other_program(command, std::move(arguments));
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success, std::cout, std::cerr) == 0 ? exit_done : exit_usage;
  } catch (const CLI::ExtrasError&) {
    auto chosen = app.get_subcommands();
    if (chosen.empty()) throw_unexpected(app, app.remaining());
    throw_unexpected(*chosen[0], app.remaining(true));
  } catch (const CLI::ParseError& error) {
    auto chosen = app.get_subcommands();
    if (!chosen.empty() && !chosen[0]->remaining().empty()) throw_unexpected(*chosen[0], chosen[0]->remaining());
    throw UsageError(fmt::format("{}; see hone {}--help", error.what(),
                                 chosen.empty() ? "" : chosen[0]->get_name() + " "));
  }
  return actions.at(app.get_subcommands()[0])();
}

/// A command whose output did not reach the disk or pipe has failed.
int check_output(int code) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
  fmt::print(stderr, "hone: standard output: cannot write: {}\n", std::strerror(errno));
  return code == exit_done ? exit_failed : code;
}

}  // namespace

int run_program(int argc, char** argv, const std::vector<Command>& commands) {
  install_signal_handlers();
  install_log_sink();
  try {
    return check_output(dispatch(argc, argv, commands));
  } catch (const UsageError& error) {
    fmt::print(stderr, "hone: {}\n", error.what());
    return exit_usage;
  } catch (const Interrupted& error) {
    fmt::print(stderr, "hone: {}\n", error.what());
    return exit_interrupted;
  } catch (const Error& error) {
    fmt::print(stderr, "hone: {}\n", error.what());
    return interrupt_requested() ? exit_interrupted : exit_failed;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "hone: out of memory\n");
    return exit_failed;
  } catch (const std::exception& error) {
    fmt::print(stderr, "hone: {}\n", error.what());
    return exit_failed;
  }
}

}  // namespace hone::app
