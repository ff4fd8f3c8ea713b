#include "graph/ops/reduce/reduction.hpp"

#include <algorithm>

#include "graph/graph.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

namespace {

/// Marks the axes that are reduced; `axes` is what input 1 says (empty when it is absent).
template <class Context>
std::vector<bool> reduced(const Context& context, const Reduction& op, const std::vector<int64_t>& axes, int64_t rank) {
  std::vector<bool> marks(static_cast<size_t>(rank), axes.empty() && !op.noop_with_empty_axes);
  for (size_t axis : front_axes(context, axes, rank)) marks[axis] = true;
  return marks;
}

/// The element offsets of all positions in a grid of these sizes, in row-major order.
std::vector<int64_t> grid_offsets(const std::vector<int64_t>& sizes, const std::vector<int64_t>& steps) {
  std::vector<int64_t> offsets = {0};
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    std::vector<int64_t> next;
    next.reserve(offsets.size() * static_cast<size_t>(sizes[axis]));
    for (int64_t offset : offsets)
      for (int64_t i = 0; i < sizes[axis]; ++i) next.push_back(offset + i * steps[axis]);
    offsets = std::move(next);
  }
  return offsets;
}

}  // namespace

OpSpec Reduction::spec() const {
  return {.min_inputs = 1, .max_inputs = 2, .traits = traits(), .summary = summary()};
}

void Reduction::attributes(AttributeVisitor& visitor) {
  visitor.field("keepdims", keepdims);
  visitor.field("noop_with_empty_axes", noop_with_empty_axes);
}

void Reduction::infer(InferContext& context) const {
  require_types(context, 0, types());
  const Shape& x = context.shape(0);
  std::optional<std::vector<int64_t>> axes = std::vector<int64_t>();
  if (context.has_input(1)) axes = known_ints(context, 1);
  Shape shape;
  if (x.ranked && axes) {
    std::vector<bool> marks = reduced(context, *this, *axes, x.rank());
    std::vector<Dim> dims;
    for (size_t i = 0; i < x.dims.size(); ++i) {
      if (!marks[i]) dims.push_back(x[i]);
      else if (keepdims) dims.emplace_back(1);
    }
    shape = Shape(std::move(dims));
  } else if (x.ranked && keepdims) {
    shape = unknown_sizes(x.rank());
  } else if (!keepdims && !noop_with_empty_axes && !context.has_input(1)) {
    shape = Shape(Dims{});
  }
  context.set_output(0, context.dtype(0), std::move(shape));
}

std::optional<std::vector<size_t>> Reduction::reduced_axes(const Node& node) const {
  InferContext context(node);
  const Shape& x = context.shape(0);
  std::optional<std::vector<int64_t>> axes = std::vector<int64_t>();
  if (context.has_input(1)) axes = known_ints(context, 1);
  if (!x.ranked || !axes) return std::nullopt;
  std::vector<bool> marks = reduced(context, *this, *axes, x.rank());
  std::vector<size_t> result;
  for (size_t i = 0; i < marks.size(); ++i)
    if (marks[i]) result.push_back(i);
  return result;
}

ReducePlan plan_reduction(const EvalContext& context, const Reduction& op) {
  const Tensor& x = context.in(0);
  std::vector<bool> marks = reduced(context, op, int_list(context, 1, {}), x.rank());
  // Neighboring axes of one kind are one axis.
  struct Side {
    std::vector<int64_t> sizes, steps;
  } kept, gone;
  ReducePlan plan;
  Dims strides = row_major_strides(x.dims());
  for (size_t i = 0; i < marks.size(); ++i) {
    int64_t size = x.dims()[i];
    if (!marks[i]) plan.out_dims.push_back(size);
    else if (op.keepdims) plan.out_dims.push_back(1);
    Side& side = marks[i] ? gone : kept;
    if (i > 0 && marks[i] == marks[i - 1]) {
      side.sizes.back() *= size;
      side.steps.back() = strides[i];
    } else {
      side.sizes.push_back(size);
      side.steps.push_back(strides[i]);
    }
  }
  if (!gone.sizes.empty()) {
    plan.run = gone.sizes.back();
    plan.step = gone.steps.back();
    gone.sizes.pop_back();
    gone.steps.pop_back();
  }
  plan.kept = grid_offsets(kept.sizes, kept.steps);
  plan.starts = grid_offsets(gone.sizes, gone.steps);
  return plan;
}

}  // namespace hone::ops
