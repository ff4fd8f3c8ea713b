#include "train/detection/losses.hpp"

namespace hone {

namespace {

constexpr double tiny = 1e-7;

struct Overlap {
  at::Tensor both, either, hull;
};

Overlap overlap_of(const at::Tensor& a, const at::Tensor& b) {
  auto corner = [](const at::Tensor& boxes, int64_t first) { return boxes.narrow(1, first, 2); };
  auto area = [](const at::Tensor& sides) { return sides.select(1, 0) * sides.select(1, 1); };
  at::Tensor inner = (at::minimum(corner(a, 2), corner(b, 2)) - at::maximum(corner(a, 0), corner(b, 0))).clamp_min(0);
  at::Tensor outer = at::maximum(corner(a, 2), corner(b, 2)) - at::minimum(corner(a, 0), corner(b, 0));
  at::Tensor both = area(inner);
  at::Tensor either = area(corner(a, 2) - corner(a, 0)) + area(corner(b, 2) - corner(b, 0)) - both;
  return {both, either, area(outer)};
}

}  // namespace

at::Tensor quality_focal_loss(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& weights,
                              double beta) {
  at::Tensor focus = (targets - logits.sigmoid()).abs().pow(beta);
  at::Tensor loss = focus * at::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::None);
  return weights.defined() ? (loss * weights).sum() : loss.sum();
}

at::Tensor paired_iou(const at::Tensor& a, const at::Tensor& b) {
  Overlap o = overlap_of(a, b);
  return o.both / (o.either + tiny);
}

at::Tensor giou_loss(const at::Tensor& a, const at::Tensor& b) {
  Overlap o = overlap_of(a, b);
  return 1 - o.both / (o.either + tiny) + (o.hull - o.either) / (o.hull + tiny);
}

}  // namespace hone
