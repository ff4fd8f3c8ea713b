#pragma once
#include "train/templates.hpp"

namespace hone {

/// U-Net (Ronneberger et al. 2015) with batch normalization, bilinear enlarging and 16 channels (times width) at full
/// size: f32 [N, 3, H, W] to `scores` f32 [N, classes, H, W]. Precise at edges, costly at large sizes. With a backbone
/// its maps are the contracting path. Throws Error as check_segmenter() does.
Graph build_unet(const TemplateOptions& options);

}  // namespace hone
