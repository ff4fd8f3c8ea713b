#pragma once
#include "graph/graph.hpp"

namespace hone {

/// Cross-layer equalization: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
/// Correction", section 4.1. For two layers with a positively homogeneous function between them, f(s x) = s f(x),
///   W1 x + b1 -> diag(1/s) W1 x + diag(1/s) b1,   W2 -> W2 diag(s),   s_i = sqrt(r1_i r2_i) / r2_i   (equation 11)
/// computes the same and gives channel i the same weight range r_i in both. Repeated until the scales settle. Between
/// them may be Relu, LeakyRelu, PRelu with constant slopes, and ops that keep channels (pooling, Identity). Layers
/// whose result anything else uses are left alone. Of that section, the absorption of high biases (4.1.3) is left out: it
/// takes the means and deviations of batch norms for what activations reach, while here calibration sees, after
/// equalization, what they do reach; a channel that a large bias lifts widens the range that its tensor shares. Returns the number of channels that were rescaled.
int equalize(Graph& graph);

}  // namespace hone
