#include "graph/ops/shape/unsqueeze.hpp"

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec Unsqueeze::spec() const {
  return {.min_inputs = 2, .max_inputs = 2, .traits = Trait::view | Trait::scale_preserving,
          .summary = "y = x with new axes of size 1"};
}

namespace {
template <class Context, class List>
List with(Context& context, const List& dims, const std::vector<int64_t>& axes) {
  size_t rank = dims.size() + axes.size();
  std::vector<bool> added(rank);
  for (size_t axis : front_axes(context, axes, static_cast<int64_t>(rank))) added[axis] = true;
  List result;
  for (size_t i = 0, next = 0; i < rank; ++i) {
    if (added[i]) result.push_back(1);
    else result.push_back(dims[next++]);
  }
  return result;
}
}  // namespace

void Unsqueeze::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  auto axes = known_ints(context, 1);
  context.set_output(0, context.dtype(0), x.ranked && axes ? Shape(with(context, x.dims, *axes)) : Shape());
  if (auto value = context.dims_value(0)) context.set_dims_value(0, *value);
}

void Unsqueeze::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  context.set(0, x.reshaped(with(context, x.dims(), int_list(context, 1))));
}

HONE_DEFINE_OP(Unsqueeze)

}  // namespace hone::ops
