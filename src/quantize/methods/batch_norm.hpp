#pragma once
#include "quantize/samples.hpp"

namespace hone {

/// Measures the mean and variance of the input of each BatchNormalization again, in the order of the network, so that
/// what quantization (or pruning) shifted upstream is normalized away: Sun et al. 2019, "Hybrid 8-bit Floating Point
/// Training and Inference", section 4.1 ("batch norm re-tuning"). Uses the kept samples. Returns the number of nodes.
int measure_batch_norms(Graph& graph, const MakeRunner& make_runner, const SampleStream& samples, Progress& progress);

}  // namespace hone
