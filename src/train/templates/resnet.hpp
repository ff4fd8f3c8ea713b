#pragma once
#include "train/templates.hpp"

namespace hone {

/// ResNets (He et al. 2016), with the stride of a bottleneck in its 3x3 layer. Small inputs: see
/// ClassifierLayers::stride(), which also says what is refused; below 96 pixels there is no max pooling.
Graph build_resnet18(const TemplateOptions& options);
Graph build_resnet50(const TemplateOptions& options);

}  // namespace hone
