#include <algorithm>

#include <fmt/format.h>

#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

Tensors slice(OpCall& call) {
  at::Tensor x = call.in(0);
  std::vector<int64_t> starts = call.ints(1), ends = call.ints(2), axes, steps;
  if (call.has(3)) axes = call.ints(3);
  if (call.has(4)) steps = call.ints(4);
  if (ends.size() != starts.size() || (!axes.empty() && axes.size() != starts.size()))
    call.fail(fmt::format("has {} starts, {} ends and {} axes", starts.size(), ends.size(), axes.size()));
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t axis = call.axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], x.dim()), size = x.size(axis);
    int64_t step = i < steps.size() ? steps[i] : 1;
    if (step == 0) call.fail("step is 0");
    auto clamp = [&](int64_t value, int64_t low, int64_t high) {
      return std::clamp(value < 0 ? value + size : value, low, high);
    };
    if (step > 0) {
      int64_t start = clamp(starts[i], 0, size), end = std::max(start, clamp(ends[i], 0, size));
      x = at::slice(x, axis, start, end, step);
    } else {
      int64_t start = clamp(starts[i], -1, size - 1);
      int64_t end = ends[i] < -size ? -1 : clamp(ends[i], -1, size - 1);
      std::vector<int64_t> picked;
      for (int64_t index = start; index > end; index += step) picked.push_back(index);
      x = x.index_select(axis, at::tensor(picked, at::kLong));
    }
  }
  return {x};
}

Tensors gather(OpCall& call) {
  const at::Tensor& x = call.in(0);
  int64_t axis = call.axis(call.integer("axis", 0), x.dim()), size = x.size(axis);
  at::Tensor index = call.in(1).to(at::kLong);
  index = at::where(index < 0, index + size, index);
  if (index.numel() && (index.min().item<int64_t>() < 0 || index.max().item<int64_t>() >= size))
    call.fail(fmt::format("an index is outside axis {} of {} elements", axis, size));
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.erase(sizes.begin() + axis);
  sizes.insert(sizes.begin() + axis, index.sizes().begin(), index.sizes().end());
  return {x.index_select(axis, index.flatten()).reshape(sizes)};
}

namespace {

/// The source of each of the `before + size + after` elements of a padded axis.
std::vector<int64_t> padded_indices(const std::string& mode, int64_t size, int64_t before, int64_t after) {
  std::vector<int64_t> indices;
  for (int64_t i = -before; i < size + after; ++i) {
    int64_t index = i;
    if (mode == "edge") {
      index = std::clamp<int64_t>(i, 0, size - 1);
    } else if (mode == "wrap") {
      index = ((i % size) + size) % size;
    } else {  // reflect, without repeating the border
      int64_t period = std::max<int64_t>(1, 2 * (size - 1));
      index = ((i % period) + period) % period;
      if (index >= size) index = period - index;
    }
    indices.push_back(index);
  }
  return indices;
}

}  // namespace

Tensors pad(OpCall& call) {
  at::Tensor x = call.in(0);
  std::vector<int64_t> pads = call.ints(1), before(static_cast<size_t>(x.dim()), 0), after = before;
  std::vector<int64_t> axes;
  for (int64_t axis = 0; axis < x.dim(); ++axis) axes.push_back(axis);
  if (call.has(3)) {
    axes = call.ints(3);
    for (int64_t& axis : axes) axis = call.axis(axis, x.dim());
  }
  if (pads.size() != 2 * axes.size()) call.fail(fmt::format("has {} pads for {} axes", pads.size(), axes.size()));
  for (size_t i = 0; i < axes.size(); ++i) {
    before[static_cast<size_t>(axes[i])] = pads[i];
    after[static_cast<size_t>(axes[i])] = pads[axes.size() + i];
  }
  std::string mode = call.text("mode", "constant");
  if (mode == "constant") return {pad_spatial(x, before, after, call.number(2, 0))};
  if (mode != "edge" && mode != "reflect" && mode != "wrap")
    call.fail("mode is '" + mode + "', expected constant, reflect, edge or wrap");
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 0 && after[i] == 0) continue;
    auto indices = padded_indices(mode, x.size(static_cast<int64_t>(i)), before[i], after[i]);
    x = x.index_select(static_cast<int64_t>(i), at::tensor(indices, at::kLong));
  }
  return {x};
}

}  // namespace hone::torch_ops
