#pragma once
#include <cstdint>

namespace hone {

/// The learning rate over a run of `total` steps: linear warm-up, then half a cosine (Loshchilov & Hutter 2017) that
/// ends at `final_ratio` of the peak.
struct Schedule {
  double peak = 0.1;
  double final_ratio = 0.0;
  int64_t warmup = 0;  ///< steps
  int64_t total = 1;   ///< steps

  /// Of step `step`, counted from 0; past the end it stays at the last value.
  double learning_rate(int64_t step) const;
};

/// The side length to train at after `progress` (0..1) of the run: from `start_ratio` of `full` up to `full`, linear
/// over the first `growth` of the run, in steps of 16 pixels (progressive resizing).
int training_size(int full, double start_ratio, double growth, double progress);

/// How many steps a run may have so that it ends within its time.
struct TimePlan {
  double budget = 0;              ///< seconds for the whole run
  double elapsed = 0;             ///< seconds used so far
  double seconds_per_pixel = 0;   ///< of training, per image
  double validation_seconds = 0;  ///< of one validation
  int64_t batches_per_epoch = 1;
  int64_t batch_size = 1;
  int height = 0, width = 0;  ///< full size
  double start_ratio = 1, growth = 0;

  /// Seconds that the steps [from, total) take, validations included.
  double remaining(int64_t from, int64_t total) const;
  /// The largest total in (from, limit] whose rest fits into the budget; at least from + 1.
  int64_t fit(int64_t from, int64_t limit) const;
};

}  // namespace hone
