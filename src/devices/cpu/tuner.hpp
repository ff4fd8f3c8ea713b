#pragma once
#include <memory>
#include <string>
#include <vector>

#include "devices/cpu/kernel.hpp"

namespace hone::cpu {

struct TunerOptions {
  bool measure = true;    ///< false: the estimate alone decides
  std::string cache_dir;  ///< where results are kept between processes; empty: nowhere
};

/// Microseconds that `operations` take at `rate` GOP/s a thread, or their weights to be read from memory if that takes
/// longer, and `traffic` bytes besides through the cache.
double expected_us(double operations, double rate, double weight_bytes, double traffic, const CpuContext& context);

/// Chooses among the kernels that can run a node: estimates rule out what is clearly slower, the rest is measured on
/// this machine, a few runs each. Identical layers share one result in the process, and between processes with a
/// cache_dir.
class Tuner {
 public:
  struct Candidate {
    const char* entry;  ///< name in the kernel list
    std::unique_ptr<Kernel> kernel;
  };

  /// Measures with the threads of `pool` and packs with those of `packers`.
  Tuner(TunerOptions options, const CpuContext& context, ThreadPool& pool, ThreadPool& packers)
      : options_(std::move(options)), context_(context), pool_(pool), packers_(packers) {}
  /// The fastest, prepared. A line for each candidate is added to `notes`.
  Candidate choose(const Node& node, std::vector<Candidate> candidates, std::vector<std::string>& notes);
  /// Writes new results to the cache_dir; failing to do so is no error.
  void save() const;

 private:
  /// Microseconds of each candidate.
  std::vector<double> measure(const std::vector<Candidate>& candidates, const Node& node);
  /// Zeros; nothing that a kernel writes there is looked at.
  void* buffer(size_t index, size_t bytes);
  /// Instead of packed weights: zeros that are only read, which take no memory.
  const std::shared_ptr<void>& zeros(size_t bytes);

  TunerOptions options_;
  CpuContext context_;
  ThreadPool &pool_, &packers_;
  std::vector<std::pair<std::shared_ptr<void>, size_t>> buffers_;
  std::shared_ptr<void> zeros_;
  size_t zero_bytes_ = 0;
  bool fresh_ = false;  // something was measured
  double spent_us_ = 0;
};

/// Drops what this process has measured or read; files stay.
void forget_measurements();

}  // namespace hone::cpu
