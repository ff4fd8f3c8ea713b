#include <algorithm>

#include <fmt/format.h>

#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

Tensors flatten(OpCall& call) {
  const at::Tensor& x = call.in(0);
  int64_t axis = call.integer("axis", 1);
  if (axis < 0) axis += x.dim();
  if (axis < 0 || axis > x.dim()) call.fail(fmt::format("axis {} is outside a tensor of rank {}", axis, x.dim()));
  int64_t rows = 1;
  for (int64_t i = 0; i < axis; ++i) rows *= x.size(i);
  return {at::reshape(x, {rows, rows ? x.numel() / rows : 0})};
}

Tensors reshape(OpCall& call) {
  const at::Tensor& x = call.in(0);
  std::vector<int64_t> sizes = call.ints(1);
  if (!call.integer("allowzero", 0))
    for (size_t i = 0; i < sizes.size(); ++i)
      if (sizes[i] == 0) {
        if (static_cast<int64_t>(i) >= x.dim()) call.fail(fmt::format("size 0 at axis {} copies nothing", i));
        sizes[i] = x.size(static_cast<int64_t>(i));
      }
  return {at::reshape(x, sizes)};
}

Tensors transpose(OpCall& call) {
  const at::Tensor& x = call.in(0);
  std::vector<int64_t> order = call.integers("perm");
  if (order.empty())
    for (int64_t i = x.dim(); i-- > 0;) order.push_back(i);
  return {x.permute(order)};
}

Tensors squeeze(OpCall& call) {
  at::Tensor x = call.in(0);
  if (!call.has(1)) return {x.squeeze()};
  std::vector<int64_t> axes = call.axes(1, x.dim());
  for (size_t i = axes.size(); i-- > 0;) {
    if (x.size(axes[i]) != 1) call.fail(fmt::format("axis {} has {} elements, expected 1", axes[i], x.size(axes[i])));
    x = x.squeeze(axes[i]);
  }
  return {x};
}

Tensors unsqueeze(OpCall& call) {
  at::Tensor x = call.in(0);
  int64_t rank = x.dim() + call.in(1).numel();
  for (int64_t axis : call.axes(1, rank)) x = x.unsqueeze(axis);
  return {x};
}

Tensors expand(OpCall& call) {
  const at::Tensor& x = call.in(0);
  return {x.expand(at::infer_size(x.sizes(), call.ints(1)))};
}

Tensors shape(OpCall& call) {
  const at::Tensor& x = call.in(0);
  auto clamp = [&](int64_t value) { return std::clamp<int64_t>(value < 0 ? value + x.dim() : value, 0, x.dim()); };
  int64_t start = clamp(call.integer("start", 0)), end = clamp(call.integer("end", x.dim()));
  std::vector<int64_t> sizes(x.sizes().begin() + start, x.sizes().begin() + std::max(start, end));
  return {at::tensor(sizes, at::kLong)};
}

Tensors constant(OpCall& call) {
  auto get = [&](const char* name) {
    auto it = call.attributes.find(name);
    return it == call.attributes.end() ? nullptr : &it->second;
  };
  if (auto* value = get("value")) return {to_torch(std::get<Tensor>(*value), call.node.place())};
  if (get("value_ints")) return {at::tensor(call.integers("value_ints"), at::kLong)};
  if (auto* value = get("value_floats")) return {at::tensor(std::get<std::vector<float>>(*value), at::kFloat)};
  if (get("value_int")) return {at::scalar_tensor(call.integer("value_int", 0), at::kLong)};
  if (get("value_float")) return {at::scalar_tensor(call.real("value_float", 0), at::kFloat)};
  call.fail("has no numeric value");
}

Tensors depth_to_space(OpCall& call) {
  const at::Tensor& x = call.in(0);
  int64_t block = call.integer("blocksize", 1), n = x.size(0), h = x.size(2), w = x.size(3);
  if (block < 1 || x.size(1) % (block * block))
    call.fail(fmt::format("{} channels do not split into blocks of {}x{}", x.size(1), block, block));
  int64_t channels = x.size(1) / (block * block);
  at::Tensor split = call.text("mode", "DCR") == "DCR"
                         ? x.reshape({n, block, block, channels, h, w}).permute({0, 3, 4, 1, 5, 2})
                         : x.reshape({n, channels, block, block, h, w}).permute({0, 1, 4, 2, 5, 3});
  return {split.reshape({n, channels, h * block, w * block})};
}

Tensors concat(OpCall& call) {
  int64_t axis = call.axis(call.integer("axis", 0), call.in(0).dim());
  return {at::cat(call.inputs, axis)};
}

Tensors split(OpCall& call) {
  const at::Tensor& x = call.in(0);
  int64_t axis = call.axis(call.integer("axis", 0), x.dim()), count = static_cast<int64_t>(call.node.outputs().size());
  std::vector<int64_t> sizes;
  if (call.has(1)) {
    sizes = call.ints(1);
  } else {
    int64_t part = (x.size(axis) + count - 1) / count;
    for (int64_t left = x.size(axis), i = 0; i < count; ++i, left -= part)
      sizes.push_back(std::clamp<int64_t>(left, 0, part));
  }
  return at::split_with_sizes(x, sizes, axis);
}

}  // namespace hone::torch_ops
