#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// How a decoded image (u8 [N, H, W, 3], RGB, any size) becomes a network's input (f32 [N, 3, height, width]):
/// resize, optional swap to BGR, then (x - mean[c]) / std[c] with x in 0..255 and c counted after the swap.
struct Preprocess {
  int64_t height = 0, width = 0;
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};
  bool bgr = false;
  bool antialias = true;  ///< low-pass filter when shrinking (ONNX Resize antialias)
  bool operator==(const Preprocess&) const = default;
};

/// Puts the preprocessing in front of the graph's only input, which must be f32 [N, 3, H, W]: afterwards the input is
/// `image`, u8 [N, height, width, 3] with free sizes, and the metadata key `hone.preprocess` describes the nodes for
/// people. Throws Error when the graph has another kind of input.
void attach_preprocess(Graph& graph, const Preprocess& preprocess);
/// What attach_preprocess() recorded, or nullopt. Throws Error when the metadata is broken.
std::optional<Preprocess> attached_preprocess(const Graph& graph);
/// "height=128;width=128;mean=..." and back.
std::string to_string(const Preprocess& preprocess);
Preprocess parse_preprocess(const std::string& text);

/// True for a model with one input, u8 [N, height, width, 3]: decoded images.
bool takes_images(const Graph& graph);

/// Class names, kept in the metadata key `labels`, one a line.
void set_labels(Graph& graph, const std::vector<std::string>& labels);
std::vector<std::string> get_labels(const std::map<std::string, std::string>& metadata);

}  // namespace hone
