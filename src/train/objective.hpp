#pragma once
// Private to src/train: includes ATen.
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "base/progress.hpp"
#include "data/image.hpp"
#include "data/loader.hpp"
#include "train/part_sum.hpp"
#include "train/trainer.hpp"

namespace hone {

/// What a task adds to the training loop: which graph is trained, how images are prepared, the loss, the validation
/// metric. The loop (train()) gives each of its threads the rows [first, last) of a batch; outputs have last - first
/// rows.
class Objective {
 public:
  virtual ~Objective() = default;
  /// A copy of `model` in the form that is trained (see free_image_input()); checks it against the data, throws Error.
  virtual Graph training_graph(const Graph& model) const = 0;
  /// Sets what the loader must do for training or validation images (augment or scene, balanced, ...). Sizes, batch
  /// size, threads, order and seed are the loop's.
  virtual void configure(LoaderOptions& loader, bool training) const = 0;
  /// Called at the start of each training epoch with how much of the run is done, 0..1. True: the training images are
  /// to be prepared in another way from here on, so configure() is asked again.
  virtual bool start_epoch(double /*done*/) { return false; }
  /// Options of the task that the result depends on, "name=value" a line: a run continues only with the same.
  virtual std::string describe() const { return {}; }

  /// Loss of rows [first, last) of the batch, SUMMED over its images, with autograd; the loop divides by the images of
  /// the whole batch. Called by several threads, also of other processes, for different parts at the same time. Only
  /// the own rows of the batch are defined; `parts` adds up over all of them. `metric_sum` gets the training metric,
  /// summed as well.
  virtual at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                          ImageSize size, PartSum& parts, double& metric_sum) const = 0;
  /// False: there is no training metric worth showing.
  virtual bool has_training_metric() const { return true; }

  /// Validation: begin_validation(), then add() for each part, by several threads (lock inside), then metric().
  virtual void begin_validation() = 0;
  /// Returns the validation loss summed over the images of the part, without label smoothing; 0 where there is none.
  virtual double add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                     ImageSize size) = 0;
  virtual double metric() = 0;                   ///< 0..1, higher is better
  virtual const char* metric_name() const = 0;  ///< "accuracy", "mAP50", "mIoU"
};

/// A copy of `model`, which must have one input f32 [N, 3, H, W] of the preprocessing's size, with free N and, when
/// `free_size`, free H and W; shapes inferred anew. Throws Error for another model.
Graph free_image_input(const Graph& model, const Preprocess& preprocess, bool free_size);

/// The training loop of every task: trains `model` and stores the best weights in it, the averaged ones of the epoch
/// with the best validation metric (the lower loss among equals). See train_classifier() for what it does and throws.
TrainResult train(Graph& model, const Splits& data, Objective& objective, const TrainOptions& options,
                  Progress& progress = no_progress());

/// Images of a part of a batch, normalized: f32 [last - first, 3, H, W], channels last in memory.
at::Tensor normalized_images(const Batch& batch, int64_t first, int64_t last, const Preprocess& preprocess);

}  // namespace hone
