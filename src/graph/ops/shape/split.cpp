#include "graph/ops/shape/split.hpp"

#include <numeric>

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Split::spec() const {
  return {.min_inputs = 1, .max_inputs = 2, .min_outputs = 1, .max_outputs = -1, .traits = 0u | Trait::scale_preserving,
          .summary = "outputs = the parts of x along axis"};
}

void Split::attributes(AttributeVisitor& visitor) {
  visitor.field("axis", axis);
  visitor.field("num_outputs", num_outputs);
}

namespace {
/// Part sizes when none are given: equal ones, the last may be smaller.
template <class Context>
std::vector<int64_t> equal_parts(Context& context, int64_t size) {
  auto count = static_cast<int64_t>(context.output_count());
  int64_t part = (size + count - 1) / count;
  if (part * (count - 1) > size)
    context.fail(fmt::format("a size of {} cannot be cut into {} equal parts (the last may be smaller)", size, count));
  std::vector<int64_t> parts(static_cast<size_t>(count), part);
  parts.back() = size - part * (count - 1);
  return parts;
}

template <class Context>
void check_parts(Context& context, const std::vector<int64_t>& parts, const Dim& size) {
  if (parts.size() != context.output_count())
    context.fail(fmt::format("split has {} sizes for {} outputs", parts.size(), context.output_count()));
  int64_t total = 0;
  for (int64_t part : parts)
    if (part < 0 || __builtin_add_overflow(total, part, &total))
      context.fail("split " + to_string(Dims(parts)) + " has an impossible size");
  if (size.known() && total != size.value)
    context.fail(
        fmt::format("split {} adds up to {}, the axis has size {}", to_string(Dims(parts)), total, size.value));
}

template <class Context>
void check_count(Context& context, const std::optional<int64_t>& num_outputs) {
  if (num_outputs && *num_outputs != static_cast<int64_t>(context.output_count()))
    context.fail(fmt::format("num_outputs is {}, the node has {} outputs", *num_outputs, context.output_count()));
}
}  // namespace

void Split::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  check_count(context, num_outputs);
  size_t at = x.ranked ? front_axis(context, axis, x.rank()) : 0;
  std::optional<std::vector<int64_t>> parts = known_ints(context, 1);
  if (x.ranked && !context.has_input(1) && x[at].known()) parts = equal_parts(context, x[at].value);
  if (parts) check_parts(context, *parts, x.ranked ? x[at] : Dim());
  auto value = context.dims_value(0);
  for (size_t i = 0, begin = 0; i < context.output_count(); ++i) {
    Shape part = x;
    if (x.ranked) part[at] = parts ? Dim((*parts)[i]) : Dim();
    context.set_output(i, context.dtype(0), part);
    if (!value || !parts || x.rank() != 1) continue;
    size_t count = static_cast<size_t>((*parts)[i]);
    if (begin + count > value->size()) break;
    auto first = value->begin() + static_cast<int64_t>(begin);
    context.set_dims_value(i, {first, first + static_cast<int64_t>(count)});
    begin += count;
  }
}

void Split::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  check_count(context, num_outputs);
  size_t at = front_axis(context, axis, x.rank());
  int64_t size = x.dims()[at];
  std::vector<int64_t> parts = context.has(1) ? int_list(context, 1) : equal_parts(context, size);
  check_parts(context, parts, size);
  int64_t outer = count_between(x.dims(), 0, at), inner = count_between(x.dims(), at + 1, x.dims().size()), begin = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    Dims dims = x.dims();
    dims[at] = parts[i];
    int64_t rows = parts[i] * inner;
    move_elements(context, i, x, dims, [&](const auto* in, auto* out) {
      in += begin * inner;
      for (int64_t o = 0; o < outer; ++o)
        std::copy(in + o * size * inner, in + o * size * inner + rows, out + o * rows);
    });
    begin += parts[i];
  }
}

HONE_DEFINE_OP(Split)

}  // namespace hone::ops
