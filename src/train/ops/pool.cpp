#include <limits>

#include <fmt/format.h>

#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

namespace {

at::Tensor max_pool_nd(const at::Tensor& x, const Window& w, const std::vector<int64_t>& pads, bool ceil) {
  switch (x.dim()) {
    case 3:
      return at::max_pool1d(x, w.kernel, w.stride, pads, w.dilation, ceil);
    case 4:
      return at::max_pool2d(x, w.kernel, w.stride, pads, w.dilation, ceil);
    default:
      return at::max_pool3d(x, w.kernel, w.stride, pads, w.dilation, ceil);
  }
}

at::Tensor average_pool_nd(const at::Tensor& x, const Window& w, const std::vector<int64_t>& pads, bool include_pad) {
  switch (x.dim()) {
    case 3:
      return at::avg_pool1d(x, w.kernel, w.stride, pads, false, include_pad);
    case 4:
      return at::avg_pool2d(x, w.kernel, w.stride, pads, false, include_pad);
    default:
      return at::avg_pool3d(x, w.kernel, w.stride, pads, false, include_pad);
  }
}

void check_rank(const OpCall& call) {
  if (call.in(0).dim() < 3 || call.in(0).dim() > 5)
    call.fail(fmt::format("input has rank {}, the trainer pools ranks 3 to 5", call.in(0).dim()));
}

/// Elements to add after the last one so that ceil_mode's last window fits. As in libtorch and ONNX, a window that
/// would start in that extra part does not count.
std::vector<int64_t> ceil_extra(const Window& w, at::IntArrayRef spatial) {
  std::vector<int64_t> extra(spatial.size(), 0);
  for (size_t i = 0; i < spatial.size(); ++i) {
    int64_t extent = (w.kernel[i] - 1) * w.dilation[i] + 1, padded = spatial[i] + w.begin[i] + w.end[i];
    int64_t out = (padded - extent + w.stride[i] - 1) / w.stride[i] + 1;
    if ((out - 1) * w.stride[i] >= spatial[i] + w.begin[i]) --out;
    extra[i] = std::max<int64_t>(0, (out - 1) * w.stride[i] + extent - padded);
  }
  return extra;
}

bool half_of_kernel(const Window& w) {
  for (size_t i = 0; i < w.kernel.size(); ++i)
    if (w.begin[i] > w.kernel[i] / 2) return false;
  return true;
}

std::vector<int64_t> spatial_axes(const at::Tensor& x) {
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
  return axes;
}

}  // namespace

Tensors max_pool(OpCall& call) {
  check_rank(call);
  if (call.node.outputs().size() > 1) call.fail("its second output (indices) has no gradient", "remove that output");
  at::Tensor x = call.in(0);
  Window w = read_window(call, {}, x.sizes().slice(2));
  bool ceil = call.integer("ceil_mode", 0) != 0;
  if (w.symmetric() && half_of_kernel(w)) return {max_pool_nd(x, w, w.begin, ceil)};
  std::vector<int64_t> end = w.end;
  if (ceil) {
    std::vector<int64_t> extra = ceil_extra(w, x.sizes().slice(2));
    for (size_t i = 0; i < end.size(); ++i) end[i] += extra[i];
  }
  x = pad_spatial(x, w.begin, end, -std::numeric_limits<double>::infinity());
  return {max_pool_nd(x, w, std::vector<int64_t>(w.begin.size(), 0), false)};
}

Tensors average_pool(OpCall& call) {
  check_rank(call);
  const at::Tensor& x = call.in(0);
  Window w = read_window(call, {}, x.sizes().slice(2));
  for (int64_t dilation : w.dilation)
    if (dilation != 1) call.fail("the trainer has no dilated average pooling");
  bool ceil = call.integer("ceil_mode", 0) != 0, include_pad = call.integer("count_include_pad", 0) != 0;
  if (!ceil && w.symmetric() && half_of_kernel(w)) return {average_pool_nd(x, w, w.begin, include_pad)};
  // Sum over the window divided by how many of its elements count, both as average pools over explicit padding.
  std::vector<int64_t> extra(w.end.size(), 0), none(w.end.size(), 0), end = w.end;
  if (ceil) extra = ceil_extra(w, x.sizes().slice(2));
  for (size_t i = 0; i < end.size(); ++i) end[i] += extra[i];
  at::Tensor ones = at::ones(x.sizes(), x.options()).narrow(0, 0, 1).narrow(1, 0, 1);
  at::Tensor counted = pad_spatial(pad_spatial(ones, w.begin, w.end, include_pad ? 1 : 0), none, extra, 0);
  at::Tensor sum = average_pool_nd(pad_spatial(x, w.begin, end, 0), w, none, true);
  return {sum / average_pool_nd(counted, w, none, true)};
}

Tensors global_average_pool(OpCall& call) { return {at::mean(call.in(0), spatial_axes(call.in(0)), true)}; }
Tensors global_max_pool(OpCall& call) { return {at::amax(call.in(0), spatial_axes(call.in(0)), true)}; }

}  // namespace hone::torch_ops
