#include <cmath>

#include <fmt/format.h>

#include "train/ops/batch_norm_clip.hpp"
#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

namespace {

/// Axes of a reduction (input 1), or nullopt when it is to return its input.
c10::optional<std::vector<int64_t>> reduced_axes(const OpCall& call) {
  if ((!call.has(1) || call.in(1).numel() == 0) && call.integer("noop_with_empty_axes", 0)) return c10::nullopt;
  return call.axes(1, call.in(0).dim());
}

}  // namespace

/// Training normalizes by the statistics of the batch, over all its parts, and moves the running ones towards them:
/// running = momentum * running + (1 - momentum) * batch.
Tensors batch_normalization(OpCall& call) {
  const at::Tensor& x = call.in(0);
  if (x.dim() < 2) call.fail(fmt::format("input has rank {}, expected at least 2", x.dim()));
  if (call.training && call.part.sum == &PartSum::alone() && x.numel() / std::max<int64_t>(1, x.size(1)) < 2)
    call.fail("a training batch has one value a channel, its variance is not defined", "use a larger batch");
  double keep = call.real("momentum", 0.9), epsilon = call.real("epsilon", 1e-5);
  if (call.training && x.scalar_type() == at::kFloat && x.numel() > 0)
    return {batch_norm_clip(x, call.in(1), call.in(2), call.in(3), call.in(4),
                            {epsilon, keep, call.low, call.high, call.part.sum})};
  at::Tensor y =
      at::batch_norm(x, call.in(1), call.in(2), call.in(3), call.in(4), call.training, 1 - keep, epsilon, false);
  bool clips = std::isfinite(call.low) || std::isfinite(call.high);
  return {clips ? at::hardtanh_(y, call.low, call.high) : y};
}

Tensors layer_normalization(OpCall& call) {
  const at::Tensor& x = call.in(0);
  int64_t first = call.axis(call.integer("axis", -1), x.dim());
  std::vector<int64_t> sizes = x.sizes().slice(static_cast<size_t>(first)).vec();
  at::Tensor scale = call.in(1).expand(sizes).contiguous();
  c10::optional<at::Tensor> bias;
  if (call.has(2)) bias = call.in(2).expand(sizes).contiguous();
  auto [y, mean, inverse] = at::native_layer_norm(x.contiguous(), sizes, scale, bias, call.real("epsilon", 1e-5));
  return {y, mean, inverse};
}

Tensors softmax(OpCall& call) {
  const at::Tensor& x = call.in(0);
  return {at::softmax(x, call.axis(call.integer("axis", -1), x.dim()))};
}

Tensors log_softmax(OpCall& call) {
  const at::Tensor& x = call.in(0);
  return {at::log_softmax(x, call.axis(call.integer("axis", -1), x.dim()))};
}

/// Drops values in training, whatever the node's own training_mode input says: that input is for inference. What is
/// dropped of an image does not depend on how the batch is split: each part draws for all images and takes its own.
Tensors dropout(OpCall& call) {
  const at::Tensor& x = call.in(0);
  double ratio = call.number(1, 0.5);
  if (ratio < 0 || ratio >= 1) call.fail(fmt::format("ratio is {}, expected 0 <= ratio < 1", ratio));
  if (!call.training || ratio == 0) return {x, at::ones(x.sizes(), x.options().dtype(at::kBool))};
  std::vector<int64_t> sizes = x.sizes().vec();
  int64_t own = call.part_images, rows = own > 0 && x.dim() > 0 && x.size(0) % own == 0 ? x.size(0) / own : 0;
  if (rows > 0) sizes[0] = rows * call.part.images;
  at::Tensor mask = at::empty(sizes, x.options().requires_grad(false)).bernoulli_(1 - ratio, *call.generator);
  if (rows > 0) mask = mask.narrow(0, rows * call.part.first, x.size(0));
  return {x * (mask / (1 - ratio)), mask.to(at::kBool)};
}

Tensors reduce_mean(OpCall& call) {
  auto axes = reduced_axes(call);
  return {axes ? at::mean(call.in(0), *axes, call.integer("keepdims", 1) != 0) : call.in(0)};
}

Tensors reduce_sum(OpCall& call) {
  auto axes = reduced_axes(call);
  if (!axes) return {call.in(0)};
  return {at::sum(call.in(0), *axes, call.integer("keepdims", 1) != 0, call.in(0).scalar_type())};
}

Tensors reduce_max(OpCall& call) {
  auto axes = reduced_axes(call);
  return {axes ? at::amax(call.in(0), *axes, call.integer("keepdims", 1) != 0) : call.in(0)};
}

}  // namespace hone::torch_ops
