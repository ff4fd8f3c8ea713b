#include "base/threads.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

namespace hone {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<std::atomic<int>> hits(round % 37);
      pool.parallel_for(static_cast<int64_t>(hits.size()), [&](int64_t task, int thread) {
        EXPECT_LT(thread, threads);
        hits[static_cast<size_t>(task)]++;
      });
      for (auto& hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, ThreadIndexIsNotSharedByRunningBodies) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> running(4);
  for (int round = 0; round < 50; ++round)
    pool.parallel_for(64, [&](int64_t, int thread) {
      EXPECT_EQ(running[static_cast<size_t>(thread)].fetch_add(1), 0);
      running[static_cast<size_t>(thread)].fetch_sub(1);
    });
}

TEST(ThreadPool, ResultsAreVisibleAfterReturn) {
  ThreadPool pool(3);
  std::vector<int64_t> values(10000);
  for (int round = 1; round < 50; ++round) {
    pool.parallel_for(static_cast<int64_t>(values.size()),
                      [&](int64_t task, int) { values[static_cast<size_t>(task)] = task * round; });
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), int64_t{9999} * 10000 / 2 * round);
  }
}

}  // namespace
}  // namespace hone
