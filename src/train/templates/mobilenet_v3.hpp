#pragma once
#include "train/templates.hpp"

namespace hone {

/// MobileNetV3 (Howard et al. 2019): inverted residuals with squeeze and excitation, hard swish. Small inputs: see
/// ClassifierLayers::stride(), which also says what is refused.
Graph build_mobilenet_v3_small(const TemplateOptions& options);
Graph build_mobilenet_v3_large(const TemplateOptions& options);
/// Large with three quarters of the channels (times TemplateOptions::width), but the widest last layer.
Graph build_mobilenet_v3_large_075(const TemplateOptions& options);

}  // namespace hone
