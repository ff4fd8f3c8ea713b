#include "base/threads.hpp"

#include <atomic>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hone {

namespace {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// One word holds the job: generation (16 bits), number of tasks (24) and the next task to claim (24). A claim
// is one fetch_add, and the word alone tells whether the claim is valid: a worker that comes late from an
// earlier job either gets a task of the current one (whose body is then published and kept alive by that
// claim) or an index past the end.
constexpr uint64_t index_mask = (1u << 24) - 1;
constexpr uint64_t pack(uint64_t generation, uint64_t count) { return (generation & 0xffff) << 48 | count << 24; }

constexpr int spin_rounds = 2000;  // about 50-100 us: longer than the gap between two layers of one inference

}  // namespace

struct ThreadPool::State {
  std::atomic<uint64_t> ticket{0};
  std::atomic<int64_t> remaining{0};
  std::atomic<uint32_t> wake{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};
  FunctionRef<void(int64_t, int)>* body = nullptr;
  uint64_t generation = 0;
  std::function<void()> on_start;
  std::vector<std::thread> workers;

  void drain(int thread) {
    for (;;) {
      // Look before claiming, so that idle workers do not push the index into the count.
      uint64_t seen = ticket.load(std::memory_order_acquire);
      if ((seen & index_mask) >= ((seen >> 24) & index_mask)) return;
      uint64_t claimed = ticket.fetch_add(1, std::memory_order_acq_rel);
      uint64_t index = claimed & index_mask, count = (claimed >> 24) & index_mask;
      if (index >= count) return;
      (*body)(static_cast<int64_t>(index), thread);
      remaining.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  void work(int thread) {
    if (on_start) on_start();
    uint32_t seen = 0;
    while (!stop.load(std::memory_order_acquire)) {
      for (int round = 0; round < spin_rounds && wake.load(std::memory_order_acquire) == seen; ++round) relax();
      if (wake.load(std::memory_order_acquire) == seen) {
        sleeping.fetch_add(1);
        wake.wait(seen);
        sleeping.fetch_sub(1);
      }
      seen = wake.load(std::memory_order_acquire);
      drain(thread);
    }
  }
};

ThreadPool::ThreadPool(int threads, std::function<void()> on_start) : state_(new State) {
  state_->on_start = std::move(on_start);
  for (int thread = 1; thread < threads; ++thread)
    state_->workers.emplace_back([state = state_.get(), thread] { state->work(thread); });
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->wake.fetch_add(1);
  state_->wake.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::parallel_for(int64_t tasks, FunctionRef<void(int64_t, int)> body) {
  if (tasks <= 0) return;
  if (tasks == 1 || state_->workers.empty()) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  State& state = *state_;
  state.body = &body;
  state.remaining.store(tasks, std::memory_order_relaxed);
  state.ticket.store(pack(++state.generation, static_cast<uint64_t>(tasks)), std::memory_order_release);
  state.wake.fetch_add(1);
  if (state.sleeping.load() > 0) state.wake.notify_all();
  state.drain(0);
  for (int round = 0; state.remaining.load(std::memory_order_acquire) > 0; ++round) {
    relax();
    if (round % 512 == 511) std::this_thread::yield();  // the core may be needed by the worker we wait for
  }
}

}  // namespace hone
