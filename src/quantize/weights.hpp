#pragma once
#include <vector>

#include "graph/graph.hpp"
#include "quantize/observer.hpp"

namespace hone {

/// Weights as i8 with zero point 0 and one scale a channel.
struct QuantizedWeights {
  Tensor values;              ///< i8, the sizes of the weights
  std::vector<float> scales;  ///< one a channel of `axis`; one in all when axis is -1
  int axis = -1;
};

/// Symmetric quantization along `axis`, from -largest - 1 to `largest` (127, or 63 for 7 bits). The scale of a channel
/// is the one with the least squared error of those that divide its largest weight into `largest` / 2 to `largest`
/// steps (one more when it is negative): weights that lie on a grid of 8 bits already keep it and lose nothing, and the
/// few weights of a depthwise channel round better than with the largest as a fixed point. `at_least[c]` (empty: none)
/// is the least scale of channel c, which keeps its bias representable. Rounds half to even.
QuantizedWeights quantize_weights(const Tensor& weights, int axis, const std::vector<float>& at_least,
                                  int largest = 127);

/// i32 with scale input_scale * scales[c].
Tensor quantize_bias(const std::vector<float>& bias, float input_scale, const std::vector<float>& scales);

/// Least weight scales with which this bias fits into 30 bits.
std::vector<float> least_scales(const std::vector<float>& bias, float input_scale, size_t channels);

/// What quantization of the weights w and of the input x adds to each output channel of a layer on average:
/// sum of w' E[x'] - w E[x] (Nagel et al. 2019, section 4.2, there for weights alone). Padding is accounted for.
/// `input` must have channel means; `rounding` is what quantization adds to them, nullptr where that is not known.
/// Empty when the sizes do not fit together.
std::vector<double> mean_output_error(const Node& layer, const QuantizedWeights& quantized, const Observation& input,
                                      const ChannelSums* rounding = nullptr);

/// Throws Error naming the node when its constant input has NaN or infinity.
void check_finite(const Node& node, size_t input);

}  // namespace hone
