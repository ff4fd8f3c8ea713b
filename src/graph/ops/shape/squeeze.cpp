#include "graph/ops/shape/squeeze.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec Squeeze::spec() const {
  return {.min_inputs = 1, .max_inputs = 2, .traits = Trait::view | Trait::scale_preserving,
          .summary = "y = x without the axes of size 1"};
}

namespace {
/// `dims` without `axes`; fails when one of them is known not to be 1.
template <class Context>
std::vector<Dim> without(Context& context, const std::vector<Dim>& dims, const std::vector<int64_t>& axes) {
  std::vector<bool> drop(dims.size());
  for (size_t axis : front_axes(context, axes, static_cast<int64_t>(dims.size()))) {
    if (dims[axis].known() && dims[axis].value != 1)
      context.fail(fmt::format("axis {} has size {}, only a size of 1 can be removed", axis, dims[axis].value));
    drop[axis] = true;
  }
  std::vector<Dim> result;
  for (size_t i = 0; i < dims.size(); ++i)
    if (!drop[i]) result.push_back(dims[i]);
  return result;
}

std::vector<int64_t> axes_of_size_one(const std::vector<Dim>& dims) {
  std::vector<int64_t> axes;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] == Dim(1)) axes.push_back(static_cast<int64_t>(i));
  return axes;
}
}  // namespace

void Squeeze::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  auto axes = known_ints(context, 1);
  if (!context.has_input(1) && x.is_static()) axes = axes_of_size_one(x.dims);
  Shape result;
  if (x.ranked && axes) {
    result = Shape(without(context, x.dims, *axes));
  } else if (x.ranked && context.has_input(1)) {
    const Shape& list = context.shape(1);
    if (list.ranked && list.rank() == 1 && list[0].known() && list[0].value <= x.rank())
      result = unknown_sizes(x.rank() - list[0].value);
  }
  context.set_output(0, context.dtype(0), result);
  if (auto value = context.dims_value(0)) context.set_dims_value(0, *value);
}

void Squeeze::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  std::vector<Dim> dims(x.dims().begin(), x.dims().end());
  std::vector<int64_t> axes = int_list(context, 1, axes_of_size_one(dims));
  context.set(0, x.reshaped(Shape(without(context, dims, axes)).concrete()));
}

HONE_DEFINE_OP(Squeeze)

}  // namespace hone::ops
