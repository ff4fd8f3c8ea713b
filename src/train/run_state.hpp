#pragma once
#include "train/checkpoint.hpp"
#include "train/trainer.hpp"

namespace hone {

/// The numbers of a run that change: all that a continued run needs besides tensors.
struct RunState {
  int64_t step = 0;           ///< batches done
  int64_t total = 0;          ///< batches planned
  bool planned = false;       ///< `total` comes from a measurement
  int height = 0, width = 0;  ///< of the training images of the current epoch

  // The current epoch.
  double loss_sum = 0, metric_sum = 0;  ///< over samples
  int64_t seen = 0;
  double epoch_seconds = 0;

  // The whole run.
  double seconds = 0;
  double train_seconds = 0;
  double pixels = 0;  ///< of all training images so far
  int64_t images = 0;
  double validation_seconds = 0;
  int64_t best_epoch = 0;
  double best_metric = -1, best_loss = 0;
  bool done = false;
  StopReason stopped = StopReason::finished;
  std::vector<EpochRecord> history;

  void save(Checkpoint& checkpoint) const;
  void load(const Checkpoint& checkpoint);
};

}  // namespace hone
