#pragma once
// Private to src/train: includes ATen.
#include <ATen/ATen.h>

namespace hone {

/// Sum of the quality focal loss (Li et al. 2020, equation 2): |y - p|^beta * BCE(p, y) with p = sigmoid(logits) and
/// targets y in 0..1, the IoU of the predicted box for the object's class and 0 elsewhere. With y in {0, 1} and beta 2
/// it is focal loss (Lin et al. 2017) without its alpha. `weights` (same shape, may be undefined) multiplies the
/// elements.
at::Tensor quality_focal_loss(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                              double beta = 2);

/// IoU of boxes [n, 4] as left, top, right, bottom.
at::Tensor paired_iou(const at::Tensor& a, const at::Tensor& b);
/// 1 - GIoU (Rezatofighi et al. 2019): IoU less the part of the common hull that neither covers. [n]
at::Tensor giou_loss(const at::Tensor& a, const at::Tensor& b);

}  // namespace hone
