#include "graph/ops/shape/transpose.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Transpose::spec() const {
  return {.traits = 0u | Trait::scale_preserving, .summary = "y = x with its axes in the order perm"};
}

void Transpose::attributes(AttributeVisitor& visitor) { visitor.field("perm", perm); }

namespace {
template <class Context>
std::vector<size_t> resolve(Context& context, const std::vector<int64_t>& perm, size_t rank) {
  std::vector<size_t> order(rank);
  if (perm.empty()) {
    for (size_t i = 0; i < rank; ++i) order[i] = rank - 1 - i;
    return order;
  }
  if (perm.size() != rank)
    context.fail(fmt::format("perm has {} entries, the input has rank {}", perm.size(), rank));
  return front_axes(context, perm, static_cast<int64_t>(rank));
}
}  // namespace

void Transpose::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  if (!x.ranked)
    return context.set_output(0, context.dtype(0),
                              perm.empty() ? Shape() : unknown_sizes(static_cast<int64_t>(perm.size())));
  std::vector<Dim> dims;
  for (size_t axis : resolve(context, perm, x.dims.size())) dims.push_back(x[axis]);
  context.set_output(0, context.dtype(0), Shape(dims));
}

void Transpose::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  Dims own = row_major_strides(x.dims()), dims, strides;
  for (size_t axis : resolve(context, perm, x.dims().size())) {
    dims.push_back(x.dims()[axis]);
    strides.push_back(own[axis]);
  }
  move_elements(context, 0, x, dims, [&](const auto* in, auto* out) { strided_copy(in, out, dims, strides); });
}

HONE_DEFINE_OP(Transpose)

}  // namespace hone::ops
