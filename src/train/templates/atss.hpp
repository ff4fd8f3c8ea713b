#pragma once
#include "train/templates.hpp"

namespace hone {

/// An anchor-free detector after ATSS (Zhang et al. 2020): a feature pyramid (Lin et al. 2017) over the last three maps
/// of the backbone and two more, one point a cell, a head of separable convolutions whose weights all levels share
/// (each with normalization of its own). Throws Error for no class, a width outside [0.1, 4] or sides that are no
/// multiple of 32.
Graph build_atss(const TemplateOptions& options);

}  // namespace hone
