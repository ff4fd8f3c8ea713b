#pragma once
// Private to src/train: includes ATen.
#include <chrono>
#include <memory>
#include <optional>

#include "data/loader.hpp"
#include "train/distributed.hpp"
#include "train/objective.hpp"
#include "train/optimizer.hpp"
#include "train/part_sum.hpp"
#include "train/replicas.hpp"
#include "train/run_state.hpp"
#include "train/schedule.hpp"
#include "train/tensor_memory.hpp"
#include "train/torch_graph.hpp"

namespace hone {

/// One training run: the state and the loop of train(). Knows nothing of tasks but their Objective.
class TrainingRun {
 public:
  TrainingRun(const Graph& model, const Splits& data, Objective& objective, const TrainOptions& options,
              Progress& progress);
  void load();               ///< continues from the checkpoint file
  TrainResult train();       ///< until the run is over
  void store(Graph& model);  ///< the best weights

 private:
  using Clock = std::chrono::steady_clock;

  void train_epoch();
  void train_batch(const Batch& batch);
  void finish_epoch();
  struct Score {
    double loss = 0, metric = 0;  ///< means over samples
    int64_t seen = 0;
  };
  Score validate();
  void keep_best(const Score& score);
  void plan();
  TimePlan time_plan() const;
  double seconds_left() const;  ///< estimated
  void show();
  void save();
  bool save_or_warn();
  void save_when_due();
  void count_time();
  bool epoch_is_over() const;
  double speed() const;  ///< training images a second, over the whole run
  int64_t epoch_index() const { return state_.step / batches_; }  ///< from 0
  BatchLoader& loader();
  LoaderOptions loader_options(bool training) const;
  Score train_parts(const Batch& batch);
  Score validate_parts(const Batch& batch);
  double train_part(int part, int parts, const Batch& batch, double& metric_sum);
  Replicas& evaluated() { return average_ ? *average_ : *live_; }
  Schedule schedule() const;
  void hold_backbone();
  // With other processes; nothing to do without (training_together.cpp).
  std::pair<int64_t, int64_t> own_rows(int64_t images) const;  ///< [first, last) of a batch of so many
  void agree_on_start();
  void agree_on_length();
  void stop_together();
  Score sum_over_processes(const Score& score);
  Score validate_once();
  std::optional<Batch> next_batch(BatchLoader& batches);
  bool first() const { return !group_ || group_->first(); }
  int processes() const { return group_ ? group_->size() : 1; }
  void visit_tensors(const std::function<void(const std::string& name, at::Tensor& tensor)>& visit);

  TensorMemory memory_;  // first, to go last
  const Splits& data_;
  Objective& objective_;
  TrainOptions options_;
  Progress& progress_;
  ProcessGroup* group_;  ///< null: this process alone
  std::string options_text_, data_text_, graph_text_;

  ReplicaThreads threads_;
  PartSums sums_;  ///< over the parts of a batch
  std::unique_ptr<Replicas> live_, average_;  ///< average_ stays empty without ema_decay
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<at::Tensor> best_;  ///< parameters, then buffers, of the averaged model
  bool backbone_held_ = false;

  std::unique_ptr<BatchLoader> train_loader_, validation_loader_;
  int64_t batches_ = 1;  ///< an epoch
  RunState state_;
  int64_t shown_total_ = -1;
  Clock::time_point counted_ = Clock::now(), saved_ = Clock::now();
  int64_t saved_step_ = 0;
  bool has_checkpoint_ = false;  ///< one was written or read
};

}  // namespace hone
