#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "data/augment.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"
#include "graph/preprocess.hpp"

namespace hone {

class ProcessGroup;

/// One finished epoch. Metrics are 0..1; see TrainResult::metric_name.
struct EpochRecord {
  int64_t epoch = 0;             ///< from 1
  double loss = 0;               ///< mean training loss (with label smoothing)
  double metric = 0;             ///< of the training batches (augmented); 0 where the task has none
  double validation_loss = 0;    ///< of the averaged weights
  double validation_metric = 0;  ///< of the averaged weights
  double learning_rate = 0;      ///< of the last step
  double seconds = 0;            ///< training and validation
  double images_per_second = 0;  ///< training only
  int height = 0, width = 0;     ///< of the training images
};

enum class OptimizerKind { sgd, adamw };
const char* name_of(OptimizerKind kind);  ///< "sgd", "adamw"

/// How a model is trained, for all tasks. The defaults suit a classifier for some thousand photos from scratch on a few
/// CPU cores.
struct TrainOptions {
  Preprocess preprocess;  ///< height and width must be those of the graph's input; mean and std normalize

  int epochs = 100;        ///< at most
  double max_minutes = 0;  ///< 0: no limit; else the schedule is shortened, after the first epoch, to end in time
  int batch_size = 32;
  OptimizerKind optimizer = OptimizerKind::sgd;
  double learning_rate = 0.2;          ///< peak
  double final_learning_rate = 0.001;  ///< relative to the peak
  double warmup_epochs = 3;            ///< at most a tenth of the run
  double momentum = 0.9;               ///< Nesterov; AdamW: the first moment
  double second_momentum = 0.999;      ///< AdamW only
  double weight_decay = 2e-4;          ///< of weights, not of biases and batch normalization; AdamW: decoupled
  double clip_gradient = 0;            ///< the norm of all gradients together is at most this; 0: any
  double label_smoothing = 0.1;        ///< classification
  bool balanced = true;                ///< every class equally often (classification)
  double ema_decay = 0.995;  ///< of the averaged weights that are evaluated and kept; 0: none
  int patience = 0;          ///< stop after this many epochs without a better validation; 0: never
  AugmentOptions augment{.min_area = 0.5};  ///< classification; the other tasks have SceneOptions
  double start_size = 1.0;          ///< progressive resizing: the images of the first epochs relative to the full size
  double size_growth = 0.6;         ///< ... growing over this part of the run
  std::vector<std::string> freeze;  ///< see GraphModuleOptions

  /// Constants of the pretrained part: names, or beginnings of names that end in '*'.
  std::vector<std::string> backbone;
  double backbone_rate = 1;      ///< their learning rate relative to that of the rest; 0: as frozen, statistics too
  double warm_frozen_epochs =
      0;  ///< for this long at the start they stay as they are, statistics too; at most half of the run
  uint64_t seed = 0;

  /// Each thread computes its part of a batch. Normalization is by the statistics of the whole batch, so that the
  /// result does not depend on the number but for rounding. 0: all processors, as many as have two images; a continued
  /// run keeps the number of the checkpoint.
  int threads = 0;
  int loader_threads = 0;                  ///< 0: half of the processors, at least one
  int64_t cache_bytes = int64_t{1} << 30;  ///< for decoded images

  /// Other processes that train the same with the same options, each its part of every batch (train/distributed.hpp);
  /// `threads` is for each of them. Null: none. Only rank 0 writes checkpoints and reports epochs.
  std::shared_ptr<ProcessGroup> group;

  std::filesystem::path checkpoint;                  ///< written every epoch and as below; empty: none
  double checkpoint_seconds = 60;                    ///< ... and after this time within an epoch
  int64_t checkpoint_batches = 0;                    ///< ... and after this many batches; 0: by time only
  bool resume = false;                               ///< continue from `checkpoint`, which must exist
  std::function<void(const EpochRecord&)> on_epoch;  ///< after each epoch
  std::function<void(int64_t step)> on_step;         ///< after each batch, counted from 1
};

enum class StopReason { finished, patience, time };

struct TrainResult {
  std::vector<EpochRecord> history;
  std::string metric_name;       ///< "accuracy", "mIoU", ...
  int64_t best_epoch = 0;        ///< from 1
  double best_metric = 0;        ///< validation, 0..1
  double seconds = 0;            ///< of all sessions of the run
  double images_per_second = 0;  ///< training, mean
  StopReason stopped = StopReason::finished;
  std::vector<Skipped> unreadable;
};

}  // namespace hone
