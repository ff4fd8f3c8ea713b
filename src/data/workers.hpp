#pragma once
#include <cstdint>
#include <string>

#include "base/function_ref.hpp"
#include "base/progress.hpp"

namespace hone {

/// Processors this process may use when `threads` is 0, else `threads`, at most one per task.
int worker_count(int threads, int64_t tasks);

/// Runs body(task) for every task in [0, tasks) on that many threads and waits, reporting to `progress` (may be null)
/// from the calling thread. The first exception of a body stops the rest and is rethrown. Throws Interrupted on Ctrl-C.
void run_tasks(int64_t tasks, int threads, const std::string& label, Progress* progress,
               FunctionRef<void(int64_t)> body);

}  // namespace hone
