#pragma once
#include "graph/graph.hpp"

namespace hone {

/// Seconds that an image takes in a training step (forward and backward, without loading), measured in a moment on
/// random images: batches of `images`, split over `threads` (0: all processors) as train() does it.
double training_seconds_per_image(const Graph& model, int images, int threads);

}  // namespace hone
