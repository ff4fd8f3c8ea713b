#pragma once
#include "train/templates.hpp"

namespace hone {

/// SSD300 on VGG-16 as published (Liu et al. 2016): 8732 anchors at 300 x 300 pixels on six levels of 38, 19, 10, 5, 3
/// and 1 cells, conv4_3 normalized to length 20 at each position (a fixed length: the convolutions behind it hold what
/// its learned scale would add). Other sizes have the same levels with anchors in proportion. `backbone`, when given,
/// takes the place of VGG-16 (its first map that of conv4_3). Throws Error for no class, a width outside [0.1, 4] or an
/// input below 96 pixels.
Graph build_ssd300_vgg16(const TemplateOptions& options);

}  // namespace hone
