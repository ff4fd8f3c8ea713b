#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "graph/graph.hpp"
#include "plan/plan.hpp"

namespace hone {

struct CpuOptions {
  int threads = 0;                            ///< 0: all processors of the process
  std::vector<std::string> disabled_kernels;  ///< entries of the kernel list to leave out
  bool autotune = true;                       ///< measure rival kernels; false: estimates decide, the same on every run
  std::string cache_dir;                      ///< keeps what was measured; empty: only this process does
};

/// The plan of this key from the cache_dir; nullptr when it is not there or damaged.
std::shared_ptr<const Plan> restore_cpu(const Hash& key, const CpuOptions& options);

/// Compiles a graph with concrete shapes for this CPU. Throws Error for a disabled kernel that does not exist.
std::shared_ptr<const Plan> compile_cpu(Graph graph, const CpuOptions& options);

}  // namespace hone
