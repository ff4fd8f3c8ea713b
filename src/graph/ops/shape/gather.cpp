#include "graph/ops/shape/gather.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Gather::spec() const {
  return {.min_inputs = 2, .max_inputs = 2, .traits = 0u | Trait::scale_preserving,
          .summary = "y = the slices of x along axis that input 1 names"};
}

void Gather::attributes(AttributeVisitor& visitor) { visitor.field("axis", axis); }

namespace {
template <class Context>
int64_t checked_index(Context& context, int64_t index, int64_t size) {
  if (index < -size || index >= size)
    context.fail(fmt::format("index {} is outside an axis of size {}", index, size));
  return index < 0 ? index + size : index;
}
}  // namespace

void Gather::infer(InferContext& context) const {
  const Shape &x = context.shape(0), &indices = context.shape(1);
  if (context.dtype(1) != DType::i32 && context.dtype(1) != DType::i64 && context.dtype(1) != DType::undefined)
    context.fail(fmt::format("indices are {}, expected i64 or i32", name_of(context.dtype(1))), "insert a Cast");
  if (!x.ranked || !indices.ranked) return context.set_output(0, context.dtype(0), Shape());
  size_t at = front_axis(context, axis, x.rank());
  const Tensor* constant = context.constant(1);
  if (constant && x[at].known())
    for (int64_t index : constant->to_ints()) checked_index(context, index, x[at].value);
  std::vector<Dim> dims(x.dims.begin(), x.dims.begin() + static_cast<int64_t>(at));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), x.dims.begin() + static_cast<int64_t>(at) + 1, x.dims.end());
  context.set_output(0, context.dtype(0), Shape(dims));
  auto value = context.dims_value(0);
  if (!value || x.rank() != 1 || indices.rank() > 1) return;
  auto picks = known_ints(context, 1);
  if (!picks) return;
  std::vector<Dim> picked;
  for (int64_t index : *picks)
    picked.push_back((*value)[static_cast<size_t>(checked_index(context, index, static_cast<int64_t>(value->size())))]);
  context.set_dims_value(0, std::move(picked));
}

void Gather::evaluate(EvalContext& context) const {
  const Tensor &x = context.in(0), &indices = context.in(1);
  size_t at = front_axis(context, axis, x.rank());
  int64_t size = x.dims()[at];
  std::vector<int64_t> picks = indices.to_ints();
  for (int64_t& index : picks) index = checked_index(context, index, size);
  Dims dims(x.dims().begin(), x.dims().begin() + static_cast<int64_t>(at));
  dims.insert(dims.end(), indices.dims().begin(), indices.dims().end());
  dims.insert(dims.end(), x.dims().begin() + static_cast<int64_t>(at) + 1, x.dims().end());
  int64_t outer = count_between(x.dims(), 0, at), inner = count_between(x.dims(), at + 1, x.dims().size());
  move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t index : picks) {
        const auto* row = in + (o * size + index) * inner;
        out = std::copy(row, row + inner, out);
      }
  });
}

HONE_DEFINE_OP(Gather)

}  // namespace hone::ops
