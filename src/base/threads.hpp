#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "base/function_ref.hpp"

namespace hone {

/// A fixed set of threads for one inference at a time. The calling thread is thread 0 and works too.
/// parallel_for neither allocates nor locks; idle workers spin for a short while and then sleep, and tasks are
/// claimed one by one, so a worker that the system does not schedule delays nobody.
class ThreadPool {
 public:
  /// `threads` >= 1, the caller included. `on_start` runs once in each worker thread.
  explicit ThreadPool(int threads, std::function<void()> on_start = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  /// Runs body(task, thread) for every task in [0, tasks); returns when all are done. `thread` is in
  /// [0, threads()) and no two running bodies share it. The body must not throw and must not call back into
  /// this pool. tasks < 2^24.
  void parallel_for(int64_t tasks, FunctionRef<void(int64_t task, int thread)> body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hone
