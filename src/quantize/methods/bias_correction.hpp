#pragma once
#include "quantize/samples.hpp"

namespace hone {

/// Bias correction layer by layer: Nagel et al. 2019, "Data-Free Quantization", section 4.2, appendix D (the empirical
/// form). In the order of the network, each layer's mean output per channel in the quantized model, whose earlier
/// layers are corrected already, is compared with that of `exact`, and the difference is taken off its bias.
/// `quantized` is in QDQ form with the node names of `exact`. Uses the kept samples. Returns the number of biases.
int correct_biases(Graph& quantized, const Graph& exact, const MakeRunner& make_runner, const SampleStream& samples,
                   Progress& progress);

}  // namespace hone
