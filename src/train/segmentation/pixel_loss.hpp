#pragma once
#include <cstdint>

namespace hone {

/// Sum of weights[target] * -log(softmax(scores)[target]) over the rows of `scores` f32 [count, classes] whose target
/// is a class; others (mask_ignore) do not count. `gradient` (may be null) gets that of the scores, f32 [count,
/// classes].
double pixel_cross_entropy(const float* scores, const uint8_t* targets, int64_t count, int64_t classes,
                           const float* weights, float* gradient);

}  // namespace hone
