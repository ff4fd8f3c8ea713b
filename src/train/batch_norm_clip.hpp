#pragma once
// Private to src/train: includes ATen.
#include <ATen/ATen.h>

namespace hone {

struct BatchNormClip {
  double epsilon = 1e-5;
  double keep = 0.9;  ///< running = keep * running + (1 - keep) * batch
  float low, high;    ///< of the clip; infinite where there is none
};

/// True when batch_norm_clip() takes such an input: f32, channels-last memory.
bool batch_norm_clip_takes(const at::Tensor& x);
/// clip(batch_norm(x)) by the statistics of the batch, with autograd; moves the running statistics.
at::Tensor batch_norm_clip(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& bias,
                           at::Tensor running_mean, at::Tensor running_variance, const BatchNormClip& options);

}  // namespace hone
