#pragma once
#include "train/templates.hpp"

namespace hone {

/// A real-time segmenter after BiSeNet (Yu et al. 2018) with the short-term dense concatenate blocks of STDC (Fan et
/// al. 2021): a narrow path keeps detail at strides 4 and 8, a deep one at stride 16 sees wide through dilation and a
/// global average. f32 [N, 3, H, W] to `scores` f32 [N, classes, H, W]. With a backbone, its maps take the place of the
/// first layers. Throws Error as check_segmenter() does.
Graph build_bisenet(const TemplateOptions& options);

}  // namespace hone
