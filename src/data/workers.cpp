#include "data/workers.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cpu.hpp"
#include "base/interrupt.hpp"

namespace hone {

namespace {
struct Shared {
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr error;
  int running = 0;
};
}  // namespace

int worker_count(int threads, int64_t tasks) {
  int wanted = threads > 0 ? threads : cpu_features().cores;
  return static_cast<int>(std::clamp<int64_t>(wanted, 1, std::max<int64_t>(tasks, 1)));
}

void run_tasks(int64_t tasks, int threads, const std::string& label, Progress* progress,
               FunctionRef<void(int64_t)> body) {
  Progress& report = progress ? *progress : no_progress();
  Shared shared;
  auto work = [&] {
    try {
      for (int64_t task = shared.next++; task < tasks && !interrupt_requested(); task = shared.next++) {
        body(task);
        ++shared.done;
      }
    } catch (...) {
      std::lock_guard lock(shared.mutex);
      if (!shared.error) shared.error = std::current_exception();
      shared.next = tasks;
    }
    std::lock_guard lock(shared.mutex);
    --shared.running;
    shared.changed.notify_all();
  };
  report.begin(label, tasks);
  {
    std::vector<std::jthread> workers;  // joined when this scope ends, however it ends
    shared.running = worker_count(threads, tasks);
    for (int i = shared.running; i > 0; --i) workers.emplace_back(work);
    std::unique_lock lock(shared.mutex);
    while (!shared.changed.wait_for(lock, std::chrono::milliseconds(100), [&] { return shared.running == 0; })) {
      lock.unlock();
      report.update(shared.done);
      lock.lock();
    }
  }
  report.update(shared.done);
  report.end();
  if (shared.error) std::rethrow_exception(shared.error);
  check_interrupt(label.c_str());
}

}  // namespace hone
