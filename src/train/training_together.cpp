// What a TrainingRun does with other processes: each has some rows of every batch, which its replicas share.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "train/train_options.hpp"
#include "train/training_run.hpp"

namespace hone {

std::pair<int64_t, int64_t> TrainingRun::own_rows(int64_t images) const {
  if (!group_) return {0, images};
  return {images * group_->rank() / processes(), images * (group_->rank() + 1) / processes()};
}

void TrainingRun::agree_on_start() {
  std::string place = fmt::format("training process {} of {}", group_->rank(), group_->size());
  const char* remedy = "give all processes the same data, model and options";
  std::string own =
      fmt::format("data={}\ngraph={}\nthreads={}\n{}", data_text_, graph_text_, options_.threads, options_text_);
  std::string difference = first_difference(group_->share(own), own);
  // All end, not only the one that differs: the others would wait for it.
  double differing = group_->sum({difference.empty() ? 0.0 : 1.0})[0];
  if (!difference.empty()) throw Error(place, "has other settings than process 0: " + difference, remedy);
  if (differing > 0) throw Error(place, fmt::format("{} other processes have other settings", differing), remedy);
  live_->share(*group_);
  if (average_) average_->share(*group_);
}

/// The clock of the first process counts.
void TrainingRun::agree_on_length() {
  if (!group_ || options_.max_minutes <= 0) return;
  bool own = group_->first();
  std::vector<double> shared =
      group_->sum({own ? static_cast<double>(state_.total) : 0, own && state_.planned ? 1.0 : 0.0});
  state_.total = static_cast<int64_t>(shared[0]);
  state_.planned = shared[1] > 0;
}

/// Ctrl-C in one process ends all after the same batch.
void TrainingRun::stop_together() {
  if (group_->sum({interrupt_requested() ? 1.0 : 0.0})[0] == 0) return;  // a request since then is for the next time
  request_interrupt();
  check_interrupt("training");
}

std::optional<Batch> TrainingRun::next_batch(BatchLoader& batches) {
  if (!group_) return batches.next();
  std::optional<Batch> batch;
  try {
    batch = batches.next();
  } catch (const Interrupted&) {  // the request is still there
  }
  stop_together();
  return batch;
}

TrainingRun::Score TrainingRun::sum_over_processes(const Score& score) {
  std::vector<double> sums = group_->sum({score.loss, score.metric});
  return {sums[0], sums[1], score.seen};
}

/// Validation in the first process; the others wait for its score.
TrainingRun::Score TrainingRun::validate_once() {
  Score score;
  try {
    if (group_->first()) score = validate();
  } catch (const Interrupted&) {  // the request is still there
  }
  stop_together();
  std::vector<double> sums = group_->sum({score.loss, score.metric, static_cast<double>(score.seen)});
  return {sums[0], sums[1], static_cast<int64_t>(sums[2])};
}

}  // namespace hone
