#include "graph/ops/shape/slice.hpp"

#include <limits>

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Slice::spec() const {
  return {.min_inputs = 3, .max_inputs = 5, .traits = 0u | Trait::scale_preserving,
          .summary = "y = x[starts:ends:steps] on axes"};
}

namespace {

struct Range {
  int64_t start = 0, step = 1, count = 0;
};

/// start:end:step for an axis of this size.
Range resolve(int64_t start, int64_t end, int64_t step, int64_t size) {
  step = std::max(step, -std::numeric_limits<int64_t>::max());
  if (start < 0) start += size;
  if (end < 0) end += size;
  Range range{0, step, 0};
  if (step > 0) {
    range.start = std::clamp<int64_t>(start, 0, size);
    end = std::clamp<int64_t>(end, 0, size);
    if (end > range.start) range.count = 1 + (end - range.start - 1) / step;
  } else {
    // As ONNX says it: a start in front of the axis is its first element, not nothing as in NumPy.
    range.start = std::clamp<int64_t>(start, 0, std::max<int64_t>(size - 1, 0));
    end = std::clamp<int64_t>(end, -1, size - 1);
    if (size > 0 && range.start > end) range.count = 1 + (range.start - end - 1) / -step;
  }
  return range;
}

struct Bounds {
  std::vector<int64_t> starts, ends, axes, steps;
};

template <class Context>
void check(Context& context, const Bounds& bounds) {
  size_t count = bounds.starts.size();
  if (bounds.ends.size() != count || bounds.axes.size() != count || bounds.steps.size() != count)
    context.fail(fmt::format("has {} starts, {} ends, {} axes and {} steps, expected as many of each", count,
                             bounds.ends.size(), bounds.axes.size(), bounds.steps.size()));
  for (int64_t step : bounds.steps)
    if (step == 0) context.fail("a step is 0");
}

std::vector<int64_t> first_axes(size_t count) {
  std::vector<int64_t> axes(count);
  for (size_t i = 0; i < count; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

Dim slice_dim(const Dim& size, int64_t start, int64_t end, int64_t step) {
  if (size.known()) return resolve(start, end, step, size.value).count;
  constexpr int64_t far = std::numeric_limits<int32_t>::max();
  bool whole = (step == 1 && start == 0 && end >= far) || (step == -1 && (start == -1 || start >= far) && end <= -far);
  return whole ? size : Dim();
}

}  // namespace

void Slice::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  if (!x.ranked) return context.set_output(0, context.dtype(0), Shape());
  auto starts = known_ints(context, 1), ends = known_ints(context, 2), axes = known_ints(context, 3);
  auto steps = known_ints(context, 4);
  const Shape& list = context.shape(1);
  std::optional<size_t> count;
  if (starts) count = starts->size();
  else if (list.ranked && list.rank() == 1 && list[0].known() && list[0].value <= x.rank())
    count = static_cast<size_t>(list[0].value);
  if (!context.has_input(3) && count) axes = first_axes(*count);
  if (!context.has_input(4) && count) steps.emplace(*count, 1);
  if (!axes) return context.set_output(0, context.dtype(0), unknown_sizes(x.rank()));
  std::vector<size_t> front = front_axes(context, *axes, x.rank());
  Shape result = x;
  if (!starts || !ends || !steps) {
    for (size_t axis : front) result[axis] = Dim();
    return context.set_output(0, context.dtype(0), result);
  }
  check(context, {*starts, *ends, *axes, *steps});
  for (size_t i = 0; i < front.size(); ++i)
    result[front[i]] = slice_dim(x[front[i]], (*starts)[i], (*ends)[i], (*steps)[i]);
  context.set_output(0, context.dtype(0), result);
  auto value = context.dims_value(0);
  if (!value || x.rank() != 1 || front.size() != 1) return;
  Range range = resolve((*starts)[0], (*ends)[0], (*steps)[0], static_cast<int64_t>(value->size()));
  std::vector<Dim> part;
  for (int64_t i = 0; i < range.count; ++i) part.push_back((*value)[static_cast<size_t>(range.start + i * range.step)]);
  context.set_dims_value(0, std::move(part));
}

void Slice::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  Bounds bounds;
  bounds.starts = int_list(context, 1);
  bounds.ends = int_list(context, 2);
  bounds.axes = int_list(context, 3, first_axes(bounds.starts.size()));
  bounds.steps = int_list(context, 4, std::vector<int64_t>(bounds.starts.size(), 1));
  check(context, bounds);
  Dims dims = x.dims(), strides = row_major_strides(dims);
  int64_t offset = 0;
  std::vector<size_t> front = front_axes(context, bounds.axes, x.rank());
  for (size_t i = 0; i < front.size(); ++i) {
    Range range = resolve(bounds.starts[i], bounds.ends[i], bounds.steps[i], x.dims()[front[i]]);
    offset += range.count ? range.start * strides[front[i]] : 0;
    dims[front[i]] = range.count;
    strides[front[i]] *= range.count > 1 ? range.step : 0;  // a huge step over one element must not overflow
  }
  move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
    if (element_count(dims) > 0) strided_copy(in + offset, out, dims, strides);
  });
}

HONE_DEFINE_OP(Slice)

}  // namespace hone::ops
