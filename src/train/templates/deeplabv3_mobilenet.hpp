#pragma once
#include "train/templates.hpp"

namespace hone {

/// DeepLabV3+ (Chen et al. 2018) on MobileNetV2 up to stride 16 or on a given backbone: atrous spatial pyramid pooling
/// with separable layers, fused with a map of stride 4. f32 [N, 3, H, W] to `scores` f32 [N, classes, H, W]. Throws
/// Error as check_segmenter() does.
Graph build_deeplabv3_mobilenet(const TemplateOptions& options);

}  // namespace hone
