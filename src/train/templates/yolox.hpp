#pragma once
#include "train/templates.hpp"

namespace hone {

/// YOLOX (Ge et al. 2021): CSPDarknet, a pyramid with a way down and up again (PAFPN), a decoupled head for each of
/// strides 8, 16 and 32. The first layer is one 6x6 convolution of stride 2, which can compute what the published Focus
/// layer does. Nano has separable convolutions. `backbone`, when given, takes the place of CSPDarknet (its last three
/// maps). Throws Error for no class, a width outside [0.1, 4] or sides that are no multiple of 32.
Graph build_yolox_nano(const TemplateOptions& options);
Graph build_yolox_tiny(const TemplateOptions& options);

}  // namespace hone
