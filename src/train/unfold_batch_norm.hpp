#pragma once
#include "data/dataset.hpp"
#include "train/trainer.hpp"

namespace hone {

/// Puts a batch normalization behind each convolution with bias whose weights have a name that starts with `prefix`, in
/// a network where they were folded into the convolutions (as most files for inference are): such a network trains
/// badly without. The statistics are those of some images of `train`, scale and shift undo them, so the outputs do not
/// change; tiny filters are enlarged. Nothing is done when there are normalizations in that part already. Returns how
/// many were added. Throws Interrupted, and Error when no image can be read.
int unfold_batch_norms(Graph& model, const std::string& prefix, const Dataset& train, const TrainOptions& options);

}  // namespace hone
