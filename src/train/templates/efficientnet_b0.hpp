#pragma once
#include "train/templates.hpp"

namespace hone {

/// EfficientNet-B0 (Tan & Le 2019): inverted residuals with squeeze and excitation, swish; without stochastic depth.
/// Small inputs: see ClassifierLayers::stride(), which also says what is refused.
Graph build_efficientnet_b0(const TemplateOptions& options);

}  // namespace hone
