#pragma once
#include "train/templates.hpp"

namespace hone {

/// A classifier on the last map of TemplateOptions::backbone, whose names get "backbone/" in front: global average,
/// dropout and a linear layer. Throws Error without a backbone, for one that gives no feature map, and for classes < 2.
Graph build_backbone_classifier(const TemplateOptions& options);

}  // namespace hone
