#pragma once
#include "train/trainer.hpp"

namespace hone {

/// Trains `model` (f32 [N, 3, H, W] to logits or Softmax [N, classes]) and stores the best weights in it: the averaged
/// ones of the epoch with the best validation accuracy (the lower loss among equals). SGD with Nesterov momentum or
/// AdamW, cosine schedule with warm-up, label smoothing and exponential moving averages of weights and statistics.
///
/// With a checkpoint, a run that was stopped or killed continues with `resume` to the same result, bit for bit, as if
/// it had not been (same program, machine and number of threads; with max_minutes the length of the run is measured).
///
/// Data of Task::multi_label has any number of classes an image: binary cross-entropy, mean average precision. Classes
/// named "a/b" are leaves of a tree whose upper levels are in the loss too; classes without a training image keep their
/// weights.
///
/// Throws Error for options or a graph that do not fit the data, a diverging loss, and a checkpoint that is damaged or
/// of another run; Interrupted on Ctrl-C, after saving the checkpoint.
TrainResult train_classifier(Graph& model, const Splits& data, const TrainOptions& options,
                             Progress& progress = no_progress());

/// Settings that suit a pretrained network (the constants `backbone` names) on small sets: AdamW with a lower rate for
/// it. Sets what it is about and leaves the rest of `options` as it is.
void set_backbone_defaults(TrainOptions& options, const Dataset& train);

}  // namespace hone
