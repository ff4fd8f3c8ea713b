#pragma once
#include <filesystem>
#include <vector>

#include "app/support/latency.hpp"

namespace hone::app {

/// Inferences of several sessions at the same time, which share one plan with its packed weights.
struct Throughput {
  int streams = 1, threads = 1;  ///< sessions, and threads of each
  double rate = 0;               ///< samples a second, of all streams together
  double median_ms = 0, p90_ms = 0;  ///< of one inference, over all streams
  int64_t runs = 0;
  double load_ms = 0, peak_memory_mb = 0;
  std::vector<Port> inputs;      ///< with concrete sizes
  struct Tried {
    int streams, threads;
    double rate;
  };
  std::vector<Tried> tried;      ///< by measure_best_throughput
};

/// `options.device.threads` are shared out among `streams` sessions: each gets threads / streams of them, at least one.
/// Throws as measure_latency does.
Throughput measure_throughput(const std::filesystem::path& model, const LatencyOptions& options, int streams);

/// Tries one stream, one a thread, and the powers of two between; measures the best for the whole time.
Throughput measure_best_throughput(const std::filesystem::path& model, const LatencyOptions& options);

}  // namespace hone::app
