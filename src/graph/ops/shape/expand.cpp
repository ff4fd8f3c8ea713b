#include "graph/ops/shape/expand.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Expand::spec() const {
  return {.min_inputs = 2, .max_inputs = 2, .traits = 0u | Trait::scale_preserving,
          .summary = "y = x broadcast with the sizes of input 1"};
}

void Expand::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  if (const Tensor* constant = context.constant(1))
    for (int64_t size : constant->to_ints())
      if (size < 0) context.fail("shape " + to_string(Dims(constant->to_ints())) + " has a negative size");
  auto wanted = known_dims(context, 1);
  if (!x.ranked || !wanted) {
    const Shape& list = context.shape(1);
    bool rank_known = x.ranked && list.ranked && list.rank() == 1 && list[0].known() && list[0].value <= 64;
    return context.set_output(0, context.dtype(0),
                              rank_known ? unknown_sizes(std::max<int64_t>(x.rank(), list[0].value)) : Shape());
  }
  Shape result(std::vector<Dim>(std::max(x.dims.size(), wanted->size()), Dim(1)));
  for (size_t i = 0; i < result.dims.size(); ++i) {
    auto from_end = [&](const std::vector<Dim>& dims) {
      return i < dims.size() ? dims[dims.size() - 1 - i] : Dim(1);
    };
    Dim a = from_end(x.dims), b = from_end(*wanted), size;
    if (a.known() && b.known() && a != b && a != Dim(1) && b != Dim(1))
      context.fail(fmt::format("{} does not broadcast with {}", to_string(x), to_string(Shape(*wanted))));
    if (a == Dim(1) || a == b) size = b;
    else if (b == Dim(1)) size = a;
    else if (a.known()) size = a;
    else if (b.known()) size = b;
    result[result.dims.size() - 1 - i] = size;
  }
  context.set_output(0, context.dtype(0), result);
}

void Expand::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  Dims wanted = int_list(context, 1);
  for (int64_t size : wanted)
    if (size < 0) context.fail("shape " + to_string(wanted) + " has a negative size");
  auto dims = broadcast(x.dims(), wanted);
  if (!dims) context.fail(fmt::format("{} does not broadcast with {}", to_string(x.dims()), to_string(wanted)));
  Dims own = row_major_strides(x.dims()), strides(dims->size(), 0);
  for (size_t i = 0; i < own.size(); ++i)
    if (x.dims()[i] != 1) strides[dims->size() - own.size() + i] = own[i];
  move_elements(context, 0, x, *dims, [&](const auto* in, auto* out) { strided_copy(in, out, *dims, strides); });
}

HONE_DEFINE_OP(Expand)

}  // namespace hone::ops
