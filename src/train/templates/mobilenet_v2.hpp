#pragma once
#include "train/templates.hpp"

namespace hone {

/// MobileNetV2 (Sandler et al. 2018) with BatchNormalization nodes and ReLU6 as Clip(0, 6). Inputs below 128 pixels keep
/// a final map of at least 4 x 4 by leaving out early strides: from 64 pixels that of the second stage, below also the
/// first layer's. Throws Error for classes < 2, a width outside [0.1, 4] or an input below 16 pixels.
Graph build_mobilenet_v2(const TemplateOptions& options);

}  // namespace hone
