#include "train/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hone {

double Schedule::learning_rate(int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup + 1);
  double progress =
      std::min(1.0, static_cast<double>(step - warmup) / static_cast<double>(std::max<int64_t>(1, total - warmup)));
  return peak * (final_ratio + (1 - final_ratio) * 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

int training_size(int full, double start_ratio, double growth, double progress) {
  if (growth <= 0 || progress >= growth) return full;
  double wanted = full * (start_ratio + (1 - start_ratio) * progress / growth);
  return std::clamp(static_cast<int>(std::lround(wanted / 16)) * 16, std::min(full, 16), full);
}

double TimePlan::remaining(int64_t from, int64_t total) const {
  double seconds = 0;
  for (int64_t step = from; step < total;) {
    // The size changes at the start of an epoch only.
    int64_t epoch_start = step / batches_per_epoch * batches_per_epoch;
    int64_t end = std::min(total, epoch_start + batches_per_epoch);
    double progress = static_cast<double>(epoch_start) / static_cast<double>(total);
    double pixels = static_cast<double>(training_size(height, start_ratio, growth, progress)) *
                    training_size(width, start_ratio, growth, progress);
    seconds += static_cast<double>((end - step) * batch_size) * pixels * seconds_per_pixel + validation_seconds;
    step = end;
  }
  return seconds;
}

int64_t TimePlan::fit(int64_t from, int64_t limit) const {
  int64_t low = from + 1, high = std::max(limit, from + 1);
  while (low < high) {
    int64_t middle = low + (high - low + 1) / 2;
    if (elapsed + remaining(from, middle) <= budget)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace hone
