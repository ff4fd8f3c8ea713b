#pragma once
#include "train/templates.hpp"

namespace hone {

/// MobileNetV2 (Sandler et al. 2018) with BatchNormalization nodes and ReLU6 as Clip(0, 6). Inputs below 96 pixels keep
/// a final map of at least 3 x 3 by leaving out strides: first that of the second stage, below 48 pixels also that of
/// the first layer, below 24 that of the sixth stage. Throws Error for classes < 2, a width outside [0.1, 4] or an
/// input below 16 pixels.
Graph build_mobilenet_v2(const TemplateOptions& options);

}  // namespace hone
