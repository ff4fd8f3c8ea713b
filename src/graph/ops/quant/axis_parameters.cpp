#include "graph/ops/quant/axis_parameters.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

namespace {
template <class Context>
void check_block_size(Context& context, int64_t block_size) {
  if (block_size != 0)
    context.fail(fmt::format("block_size is {}, blocked quantization is not supported", block_size),
                 "quantize per tensor or per axis");
}
}  // namespace

AxisParameters axis_parameters(const EvalContext& context, int64_t axis, int64_t block_size) {
  check_block_size(context, block_size);
  const Tensor &x = context.in(0), &scale = context.in(1);
  if (context.has(2) && context.in(2).size() != scale.size())
    context.fail(fmt::format("zero point has {} elements, scale has {}", context.in(2).size(), scale.size()));
  if (scale.size() == 1) return {};
  size_t at = front_axis(context, axis, x.rank());
  if (scale.rank() != 1 || scale.size() != x.dims()[at])
    context.fail(fmt::format("scale has shape {}, expected one number or [{}] for axis {} of {}",
                             to_string(scale.dims()), x.dims()[at], at, to_string(x.dims())));
  return {count_between(x.dims(), at + 1, x.dims().size()), scale.size()};
}

void check_axis_parameters(const InferContext& context, int64_t axis, int64_t block_size) {
  check_block_size(context, block_size);
  const Shape &x = context.shape(0), &scale = context.shape(1);
  if (!scale.is_static() || !x.ranked || element_count(scale.concrete()) == 1) return;
  size_t at = front_axis(context, axis, x.rank());
  if (scale.rank() != 1 || (x[at].known() && scale[0] != x[at]))
    context.fail(fmt::format("scale has shape {}, expected one number or [{}] for axis {} of {}", to_string(scale),
                             to_string(x[at]), at, to_string(x)));
}

}  // namespace hone::ops
