#pragma once
#include "train/trainer.hpp"

namespace hone {

/// Fits the linear layer at the end of a classifier to the features that the rest of the network gives: each image
/// passes the network once (as it is, not varied), then the layer is trained on the numbers kept. The start is the
/// layer as it is, every class counts alike, one label an image or several (Task::multi_label) as in
/// train_classifier(). The result has one epoch with the validation metric. At most 20,000 training images are used.
/// The same inputs give the same weights. Throws Error when the graph does not end in a linear layer; Interrupted.
TrainResult train_linear_probe(Graph& model, const Splits& data, const TrainOptions& options,
                               Progress& progress = no_progress());

}  // namespace hone
