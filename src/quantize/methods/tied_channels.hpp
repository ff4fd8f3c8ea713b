#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "quantize/observer.hpp"

namespace hone {

/// Channels that differ much in size share one scale badly. Where all layers that make a value can take a factor for
/// each channel into their weights, and all that read it the inverse, channels are brought nearer to each other; values
/// that additions and homogeneous functions tie together, such as the sums of residual blocks, get the same factors.
/// Clip(0, b) counts as homogeneous: no channel gets larger than the largest one was, so that b cuts what it cut before
/// and, of other channels, what is larger than all that was seen, which their range cuts anyway.
/// Layers that make values have a scale for each output channel and lose nothing; those that read them lose precision
/// of weights. The factors are m_c^-alpha, m_c the largest magnitude of a channel relative to the tensor's, and alpha
/// is what makes the expected noise of both, in the outputs of the readers, least:
///   sum_t D_t^2/12 sum_c |w_c|^2 / s_c^2  +  sum_k d_k^2/12 sum_c s_c^2 E[x_c^2]
/// (D_t and d_k: steps of activations and of the weights of output k, with the factors s). As SmoothQuant (Xiao et al.
/// 2022, equation 4), for convolutions and with alpha found instead of given.

struct TiedChannels {
  std::vector<Value*> values;   ///< in graph order
  std::vector<Node*> makers;    ///< layers whose output channels take the factors
  std::vector<Node*> readers;   ///< layers whose input channels take the inverse
  size_t channels = 0;
};

/// All such values, together with what they are tied to; not those that only depthwise convolutions read
/// (depthwise_inputs.hpp). The channel axis is 1.
std::vector<TiedChannels> tied_channels(const Graph& graph);

/// Aligns the channels of a group where less than two fifths of the expected noise are left. `seen` has largest
/// magnitudes and mean squares of each channel of its values; those in `quantized` are. Returns whether anything
/// changed.
bool align_tied_channels(Graph& graph, const TiedChannels& group, const Observations& seen,
                         const std::set<std::string>& quantized);

}  // namespace hone
