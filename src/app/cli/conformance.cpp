#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/conformance.hpp"
#include "app/support/format.hpp"
#include "app/support/options.hpp"
#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"

namespace hone::app {

namespace {

struct ConformanceOptions {
  std::string folder, filter, ignore;
  DeviceFlags device;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("DIR", folder, "folder with cases of the ONNX backend tests")->required();
    app.add_option("--filter", filter, "only cases whose name is this glob (test_conv_*)");
    app.add_option("--ignore", ignore, "file of cases that need not pass, instead of the list that comes with hone");
    app.add_flag("--json", json, "print JSON");
    device.threads = 1;
    device.add(app);
  }
};

struct Outcome {
  ConformanceCase test;
  ConformanceResult result;
};

struct Counts {
  size_t passed = 0, failed = 0, ignored = 0, stale = 0;
  void add(const ConformanceResult& result) {
    ++(result.verdict == Verdict::passed ? passed : result.verdict == Verdict::failed ? failed : ignored);
    stale += result.stale;
  }
};

std::vector<Outcome> run_cases(const ConformanceOptions& options) {
  IgnoreList ignored = options.ignore.empty() ? IgnoreList::standard()
                                              : IgnoreList("'" + options.ignore + "'", read_text_file(options.ignore));
  std::vector<Outcome> outcomes;
  for (ConformanceCase& test : find_conformance_cases(options.folder))
    if (options.filter.empty() || matches_glob(test.name, options.filter)) outcomes.push_back({std::move(test), {}});
  if (outcomes.empty()) throw UsageError(fmt::format("--filter: no case is '{}'", options.filter));
  DeviceOptions device = options.device.options();
  load(Graph(), device);  // an unknown device is a mistake of the caller, not of each case
  auto progress = make_progress();
  progress->begin("cases", static_cast<int64_t>(outcomes.size()));
  for (size_t i = 0; i < outcomes.size(); ++i) {
    check_interrupt("conformance");
    outcomes[i].result = run_conformance_case(outcomes[i].test, device, ignored);
    progress->update(static_cast<int64_t>(i) + 1);
  }
  progress->end();
  return outcomes;
}

Json counts_json(const Counts& counts) {
  return {{"passed", counts.passed}, {"failed", counts.failed}, {"ignored", counts.ignored}, {"stale", counts.stale}};
}

void print_as_json(const ConformanceOptions& options, const std::vector<Outcome>& outcomes,
                   const std::map<std::string, Counts>& groups, const Counts& all) {
  Json json = counts_json(all);
  json["device"] = options.device.device;
  json["groups"] = Json::object();
  for (const auto& [group, counts] : groups) json["groups"][group] = counts_json(counts);
  json["cases"] = Json::array();
  for (const auto& [test, result] : outcomes) {
    Json one{{"group", test.group}, {"name", test.name}, {"result", verdict_name(result.verdict)}};
    if (!result.reason.empty()) one["reason"] = result.reason;
    if (result.stale) one["stale"] = true;
    json["cases"].push_back(std::move(one));
  }
  print_json(json);
}

void print_as_text(const std::vector<Outcome>& outcomes, const std::map<std::string, Counts>& groups,
                   const Counts& all) {
  for (Verdict verdict : {Verdict::ignored, Verdict::passed, Verdict::failed})
    for (const auto& [test, result] : outcomes) {
      if (result.verdict != verdict || (verdict == Verdict::passed && !result.stale)) continue;
      fmt::print("{:7}  {}/{}: {}{}\n", verdict_name(verdict), test.group, test.name,
                 result.stale ? "although the ignore list says: " : "", result.reason);
    }
  Table table({"group", "passed", "failed", "ignored"});
  auto add = [&](const std::string& name, const Counts& counts) {
    table.add({name, std::to_string(counts.passed), std::to_string(counts.failed), std::to_string(counts.ignored)});
  };
  for (const auto& [group, counts] : groups) add(group, counts);
  if (groups.size() > 1) add("all", all);
  fmt::print("{}", table.text());
}

int conformance(const ConformanceOptions& options) {
  std::vector<Outcome> outcomes = run_cases(options);
  std::map<std::string, Counts> groups;
  Counts all;
  for (const Outcome& outcome : outcomes) {
    groups[outcome.test.group].add(outcome.result);
    all.add(outcome.result);
  }
  if (options.json) print_as_json(options, outcomes, groups, all);
  else print_as_text(outcomes, groups, all);
  return all.failed == 0 ? 0 : 1;
}

}  // namespace

Action add_conformance(CLI::App& app) {
  auto options = std::make_shared<ConformanceOptions>();
  options->add(app);
  return [options] { return conformance(*options); };
}

}  // namespace hone::app
