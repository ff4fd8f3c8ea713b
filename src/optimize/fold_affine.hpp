#pragma once
#include <optional>
#include <vector>

#include "graph/graph.hpp"

/// What fold_batch_norm and fold_scale share: f(x) * a + b per output channel, taken into the constants of f.
namespace hone::passes {

/// y[.., c, ..] = scale[c] * x[.., c, ..] + shift[c]
struct ChannelAffine {
  std::vector<double> scale, shift;
};

/// The output channels of a Conv, ConvTranspose, Gemm or MatMul with constant weights (and bias) in floating point:
/// along which axis of the output, and how many.
struct OutputChannels {
  int rank = 0, axis = 0;
  int64_t count = 0;
};
std::optional<OutputChannels> output_channels(const Node& node);

/// BatchNormalization at inference with constant parameters.
std::optional<ChannelAffine> batch_norm_affine(const Node& node, int64_t channels);
/// Mul, Add, Sub or Div of `x` with a constant that varies along the channels only.
std::optional<ChannelAffine> arithmetic_affine(const Node& node, const Value* x, const OutputChannels& channels);

/// Changes the weights and the bias of `node` so that it computes scale * y + shift. False, and nothing is done, when
/// its op cannot (MatMul has no bias, Gemm's c may vary along the rows).
bool fold_into(Graph& graph, Node* node, const ChannelAffine& affine);

}  // namespace hone::passes
