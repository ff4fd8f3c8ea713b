#pragma once
#include <memory>
#include <string>
#include <vector>

#include "optimize/pass.hpp"

namespace hone {

#ifdef NDEBUG
inline constexpr bool verify_each_pass = false;
#else
inline constexpr bool verify_each_pass = true;
#endif

struct PassOptions {
  std::vector<std::string> disabled;    ///< names of passes to leave out
  bool verify_each = verify_each_pass;  ///< run the verifier after each pass that changed something
  bool trace = false;                   ///< log what each pass removed and added
  bool time = false;                    ///< log the time of each pass at the end
};

/// What one pass did over all rounds.
struct PassRun {
  std::string name;
  int runs = 0, changes = 0;  ///< times that it ran and that it changed the graph
  double seconds = 0;
};

struct PassReport {
  std::vector<PassRun> passes;  ///< in the order of the list, without disabled ones
  int rounds = 0;               ///< times that the list ran
  bool settled = true;          ///< false: passes still changed the graph when the limit of rounds was reached
  size_t nodes_before = 0, nodes_after = 0;
};

/// Runs standard_passes() again and again until none changes the graph (at most 20 rounds; then a warning is logged).
/// Throws Error for an unknown name in `disabled`, with the nearest one. When a pass fails, the graph is put back to
/// what it was before that pass and the Error names the pass and the file in the temporary folder that holds that
/// graph's text.
PassReport optimize(Graph& graph, const PassOptions& options = {});
/// As optimize(), with these passes.
PassReport run_passes(Graph& graph, const std::vector<std::unique_ptr<Pass>>& passes, const PassOptions& options = {});
/// "pass  runs  changes  ms", one line a pass.
std::string to_string(const PassReport& report);

}  // namespace hone
