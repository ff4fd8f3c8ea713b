#include "kernels/peak.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/threads.hpp"
#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES(PeakKernels, peak)

const PeakKernels& peak_kernels(Isa isa) { return pick_peak(isa); }

double quick_peak_f32() {
  static const double peak = [] {
    double best = 0;
    for (int round = 0; round < 6; ++round) {  // some, for what else runs and for a processor that wakes up
      const auto begin = std::chrono::steady_clock::now();
      const double operations = peak_kernels().f32(10000);
      const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
      best = std::max(best, operations / time.count());
    }
    return best;
  }();
  return peak;
}

Peak measure_peak(int threads) {
  ThreadPool pool(threads);
  std::vector<double> done(static_cast<size_t>(threads), 0);
  auto rate = [&](double (*kernel)(int64_t)) {
    double best = 0;
    for (int round = 0; round < 6; ++round) {
      auto begin = std::chrono::steady_clock::now();
      pool.parallel_for(threads, [&](int64_t task, int) { done[static_cast<size_t>(task)] = kernel(20000); });
      std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
      double all = 0;
      for (double operations : done) all += operations;
      best = std::max(best, all / time.count());
    }
    return best;
  };
  return {rate(peak_kernels().f32), rate(peak_kernels().int8)};
}

}  // namespace hone::kernels
