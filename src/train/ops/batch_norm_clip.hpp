#pragma once
// Private to src/train: includes ATen.
#include <ATen/ATen.h>

#include "train/part_sum.hpp"

namespace hone {

struct BatchNormClip {
  double epsilon = 1e-5;
  double keep = 0.9;  ///< running = keep * running + (1 - keep) * batch
  float low, high;    ///< of the clip; infinite where there is none
  PartSum* parts = &PartSum::alone();  ///< the statistics are those of all parts of the batch
};

/// clip(batch_norm(x)) of f32 [N, C, ...] by the statistics of the batch, with autograd; moves the running statistics.
/// Quickest in channels-last memory. `parts` is called once here and once in the backward pass. The batch
/// has at least two values a channel.
at::Tensor batch_norm_clip(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& bias,
                           at::Tensor running_mean, at::Tensor running_variance, const BatchNormClip& options);

}  // namespace hone
