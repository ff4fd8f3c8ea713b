#pragma once
#include "train/templates.hpp"

namespace hone {

/// SSDLite (Liu et al. 2016; Sandler et al. 2018): the backbone's maps and two more of half the size each, on every one
/// separable convolutions that say classes and boxes of four anchors a cell. Throws Error for no class, a width outside
/// [0.1, 4] or an input below 32 pixels.
Graph build_ssd_mobilenet_v2(const TemplateOptions& options);

}  // namespace hone
