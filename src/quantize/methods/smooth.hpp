#pragma once
#include <map>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// SmoothQuant: Xiao et al. 2022, "Accurate and Efficient Post-Training Quantization for Large Language Models". A few
/// channels of the input of a transformer's matrix products are far larger than all others, which costs the others
/// their resolution. With
///   Y = (X diag(1/s)) (diag(s) W),   s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)   (equations 3 and 4)
/// part of that range moves into the weights, which have a scale of their own for each output.

/// The values that can be smoothed, with their channel axis: results of a LayerNormalization, into which 1/s
/// disappears, that only matrix products (MatMul and Gemm with constant weights) use. These share s.
std::map<std::string, int> smoothable_inputs(const Graph& graph);

/// Smooths them. `magnitudes` has the largest magnitude of each of their channels. Returns the number of products.
int smooth(Graph& graph, const std::map<std::string, std::vector<float>>& magnitudes, double alpha);

}  // namespace hone
