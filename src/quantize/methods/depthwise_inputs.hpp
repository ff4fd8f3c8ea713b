#pragma once
#include <map>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// A scale of its own for each channel in front of depthwise convolutions, as NNCF and POT give their inputs, in a
/// graph whose tensors have one scale each: the channels are brought to one magnitude, and the weights of the depthwise
/// convolution, which have a scale for each channel anyway, take the factors back:
///   dw(x, w) = dw(m x, w / m),   m_c = max_c' |x_c'| / max |x_c|
/// Behind a convolution, alone or with Relu, m goes into its weights (f(m x) = m f(x)); behind Clip(0, b) as well, with
/// b lowered to the common magnitude, where quantization saturates anyway; behind any other activation a product is
/// added, which the kernel of the convolution does on its way out.

/// The values this is for, with their channel axis: those that only depthwise convolutions with constant weights read.
std::map<std::string, int> depthwise_inputs(const Graph& graph);

/// Aligns them, where channels differ enough. `magnitudes` has the largest magnitude of each of their channels. Returns
/// the number of values; their names, and those of what scales with them, are added to `names`.
int align_depthwise_inputs(Graph& graph, const std::map<std::string, std::vector<float>>& magnitudes,
                           std::vector<std::string>* names = nullptr);

}  // namespace hone
