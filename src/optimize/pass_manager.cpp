#include "optimize/pass_manager.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "base/nearest.hpp"
#include "graph/ops/control/control.hpp"
#include "graph/text.hpp"
#include "graph/verify.hpp"
#include "optimize/subgraphs.hpp"

namespace hone {

namespace {

constexpr int max_rounds = 20;

/// The graph's text in a new file of the temporary folder; says where, or why not.
std::string dump(const Graph& graph, const std::string& pass) {
  try {
    int64_t elements = 0;
    for (const Value* constant : graph.constants()) elements += constant->constant().size();
    TextOptions options;
    if (elements > 1 << 20) options.elide_above = 4096;  // a text of all weights would be too large to look at
    static std::atomic<int> serial = 0;
    auto path = std::filesystem::temp_directory_path() / fmt::format("hone-{}-{}-{}.txt", pass, ::getpid(), ++serial);
    write_file(path, to_text(graph, options));
    return "the graph as it was before is in " + path.string();
  } catch (const std::exception& error) {
    return std::string("the graph as it was before could not be written: ") + error.what();
  }
}

std::vector<const Pass*> enabled(const std::vector<std::unique_ptr<Pass>>& passes,
                                 const std::vector<std::string>& disabled) {
  std::vector<std::string> names;
  for (auto& pass : passes) names.push_back(pass->name());
  for (const std::string& name : disabled) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    auto near = nearest_words(name, names, 1);
    throw Error("pass '" + name + "'", "is not a pass, expected one of " + fmt::format("{}", fmt::join(names, ", ")),
                near.empty() ? "" : "did you mean " + near[0] + "?");
  }
  std::vector<const Pass*> list;
  for (auto& pass : passes)
    if (std::find(disabled.begin(), disabled.end(), pass->name()) == disabled.end()) list.push_back(pass.get());
  return list;
}

/// "removed conv 'a'; added gemm 'b'".
std::string difference(const Graph& before, const Graph& after) {
  auto describe = [](const Graph& graph) {
    std::set<std::string> lines;
    for (auto& node : graph.nodes()) lines.insert(node->place());
    return lines;
  };
  std::set<std::string> old_nodes = describe(before), new_nodes = describe(after);
  std::vector<std::string> removed, added;
  for (auto& line : old_nodes)
    if (!new_nodes.count(line)) removed.push_back(line);
  for (auto& line : new_nodes)
    if (!old_nodes.count(line)) added.push_back(line);
  return fmt::format("removed {}; added {}", removed.empty() ? "nothing" : fmt::format("{}", fmt::join(removed, ", ")),
                     added.empty() ? "nothing" : fmt::format("{}", fmt::join(added, ", ")));
}

class Runner {
 public:
  Runner(Graph& graph, const PassOptions& options) : graph_(graph), options_(options), before_(graph.clone()) {}

  /// Runs one pass; true when it changed the graph.
  bool run(const Pass& pass, PassRun& record) {
    auto start = std::chrono::steady_clock::now();
    bool changed = guarded(pass);
    record.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++record.runs;
    if (!changed) return false;
    ++record.changes;
    if (options_.trace) log(LogLevel::info, fmt::format("optimize: {}: {}", pass.name(), difference(before_, graph_)));
    before_ = graph_.clone();
    return true;
  }

 private:
  bool guarded(const Pass& pass) {
    std::string problem;
    try {
      bool changed = pass.apply(graph_);
      if (changed) graph_.infer();
      if (changed && options_.verify_each) verify(graph_);
      return changed;
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      problem = error.what();
    }
    std::string where = dump(before_, pass.name());
    graph_ = std::move(before_);
    throw Error(fmt::format("pass '{}' on graph '{}'", pass.name(), graph_.name),
                fmt::format("failed: {}; {}", problem, where),
                fmt::format("disable the pass '{}' to go on without it", pass.name()));
  }

  Graph& graph_;
  const PassOptions& options_;
  Graph before_;  // as it was before the pass that runs now; constants are shared
};

}  // namespace

PassReport run_passes(Graph& graph, const std::vector<std::unique_ptr<Pass>>& passes, const PassOptions& options) {
  std::vector<const Pass*> list = enabled(passes, options.disabled);
  PassReport report;
  PassOptions inner = options;
  inner.time = false;
  OptimizeSubgraphs subgraphs([&](Graph& body) {
    PassReport done = run_passes(body, passes, inner);
    return std::any_of(done.passes.begin(), done.passes.end(), [](const PassRun& run) { return run.changes > 0; });
  });
  bool has_subgraphs =
      std::any_of(graph.nodes().begin(), graph.nodes().end(), [](auto& node) { return ops::control_op(*node); });
  if (has_subgraphs) list.insert(list.begin(), &subgraphs);
  for (const Pass* pass : list) report.passes.push_back({.name = pass->name()});
  report.nodes_before = graph.nodes().size();
  Runner runner(graph, options);
  bool changed = true;
  while (changed && report.rounds < max_rounds) {
    changed = false;
    ++report.rounds;
    for (size_t i = 0; i < list.size(); ++i) {
      check_interrupt("optimize");
      changed |= runner.run(*list[i], report.passes[i]);
    }
  }
  report.settled = !changed;
  report.nodes_after = graph.nodes().size();
  if (changed) warn(fmt::format("graph '{}': passes still change it after {} rounds", graph.name, max_rounds));
  if (options.time) log(LogLevel::info, to_string(report));
  return report;
}

PassReport optimize(Graph& graph, const PassOptions& options) { return run_passes(graph, standard_passes(), options); }

std::string to_string(const PassReport& report) {
  std::string text = fmt::format("{:<24} {:>5} {:>8} {:>9}\n", "pass", "runs", "changes", "ms");
  for (const PassRun& run : report.passes)
    text += fmt::format("{:<24} {:>5} {:>8} {:>9.2f}\n", run.name, run.runs, run.changes, run.seconds * 1e3);
  return text +
         fmt::format("{} rounds, {} nodes before, {} after", report.rounds, report.nodes_before, report.nodes_after);
}

}  // namespace hone
