#include "graph/ops/quant/axis_parameters.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

namespace {

template <class Context>
void check_block_size(Context& context, int64_t block_size) {
  if (block_size < 0) context.fail(fmt::format("block_size is {}, expected 0 or more", block_size));
}

/// The sizes that scales in blocks have.
Shape blocked_sizes(Shape x, size_t axis, int64_t block_size) {
  if (x[axis].known()) x[axis] = (x[axis].value + block_size - 1) / block_size;
  return x;
}

template <class Context>
[[noreturn]] void fail_scale(Context& context, const std::string& scale, const std::string& expected, size_t axis,
                             const std::string& x) {
  context.fail(
      fmt::format("scale has shape {}, expected one number or {} for axis {} of {}", scale, expected, axis, x));
}

}  // namespace

AxisParameters axis_parameters(const EvalContext& context, int64_t axis, int64_t block_size) {
  check_block_size(context, block_size);
  const Tensor &x = context.in(0), &scale = context.in(1);
  if (context.has(2) && context.in(2).size() != scale.size())
    context.fail(fmt::format("zero point has {} elements, scale has {}", context.in(2).size(), scale.size()));
  if (scale.size() == 1) return {};
  size_t at = front_axis(context, axis, x.rank());
  Shape expected = block_size ? blocked_sizes(Shape(x.dims()), at, block_size) : Shape{Dim(x.dims()[at])};
  if (scale.dims() != expected.concrete())
    fail_scale(context, to_string(scale.dims()), to_string(expected), at, to_string(x.dims()));
  return {x.dims()[at], count_between(x.dims(), at + 1, x.dims().size()), scale.size(), block_size};
}

void check_axis_parameters(const InferContext& context, int64_t axis, int64_t block_size) {
  check_block_size(context, block_size);
  const Shape &x = context.shape(0), &scale = context.shape(1);
  if (!scale.is_static() || !x.ranked || element_count(scale.concrete()) == 1) return;
  size_t at = front_axis(context, axis, x.rank());
  Shape expected = block_size ? blocked_sizes(x, at, block_size) : Shape{x[at]};
  bool fits = scale.rank() == expected.rank();
  for (size_t i = 0; fits && i < expected.dims.size(); ++i) fits = !expected[i].known() || expected[i] == scale[i];
  if (!fits) fail_scale(context, to_string(scale), to_string(expected), at, to_string(x));
}

}  // namespace hone::ops
