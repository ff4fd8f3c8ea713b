#pragma once
#include <optional>

#include "graph/graph.hpp"
#include "graph/preprocess.hpp"

namespace hone {

/// A model that takes images, in two.
struct SplitModel {
  Graph prepare;  ///< from the image to the output of the Resize node; any image size
  Graph network;  ///< the rest; its input has the network's size
};

/// Cuts behind the first Resize that the image input reaches through a chain of single uses; nullopt when there is
/// none.
std::optional<SplitModel> split_after_resize(const Graph& model);

/// The preprocessing alone: an image u8 [N, height, width, 3] of any size to f32 [N, 3, H, W].
Graph preprocess_only(const Preprocess& preprocess);

}  // namespace hone
