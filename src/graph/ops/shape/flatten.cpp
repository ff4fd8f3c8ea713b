#include "graph/ops/shape/flatten.hpp"

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Flatten::spec() const {
  return {.traits = Trait::view | Trait::scale_preserving, .summary = "y = x as a matrix, cut before axis"};
}

void Flatten::attributes(AttributeVisitor& visitor) { visitor.field("axis", axis); }

namespace {
template <class Context>
size_t cut(Context& context, int64_t axis, size_t rank) {
  return axis == static_cast<int64_t>(rank) ? rank : front_axis(context, axis, static_cast<int64_t>(rank));
}
}  // namespace

void Flatten::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  if (!x.ranked) return context.set_output(0, context.dtype(0), unknown_sizes(2));
  auto middle = x.dims.begin() + static_cast<int64_t>(cut(context, axis, x.dims.size()));
  context.set_output(0, context.dtype(0), Shape{product({x.dims.begin(), middle}), product({middle, x.dims.end()})});
}

void Flatten::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  size_t rank = x.dims().size(), middle = cut(context, axis, rank);
  context.set(0, x.reshaped({count_between(x.dims(), 0, middle), count_between(x.dims(), middle, rank)}));
}

HONE_DEFINE_OP(Flatten)

}  // namespace hone::ops
