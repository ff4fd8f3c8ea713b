#include "graph/ops/shape/concat.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Concat::spec() const {
  return {.min_inputs = 1, .max_inputs = -1, .traits = Trait::layout_agnostic | Trait::scale_preserving,
          .summary = "y = the inputs one after the other along axis"};
}

void Concat::attributes(AttributeVisitor& visitor) { visitor.field("axis", axis); }

namespace {
/// Joins shape lists when this is the concatenation of rank-1 shape values.
void propagate_value(InferContext& context) {
  std::vector<Dim> joined;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!is_integer(context.dtype(i))) return;
    std::optional<std::vector<Dim>> part = context.dims_value(i);
    if (!part && context.constant(i) && context.constant(i)->size() <= 64) part = known_dims(context, i);
    if (!part) {
      // An unknown entry does not hide the others.
      const Shape& shape = context.shape(i);
      if (!shape.ranked || shape.rank() != 1 || !shape[0].known() || shape[0].value > 64) return;
      part.emplace(static_cast<size_t>(shape[0].value));
    }
    joined.insert(joined.end(), part->begin(), part->end());
  }
  if (joined.size() <= 64) context.set_dims_value(0, std::move(joined));
}
}  // namespace

void Concat::infer(InferContext& context) const {
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (context.dtype(i) != context.dtype(0) && context.dtype(i) != DType::undefined &&
        context.dtype(0) != DType::undefined)
      context.fail(fmt::format("inputs 0 and {} are {} and {}, expected one type", i, name_of(context.dtype(0)),
                               name_of(context.dtype(i))), "insert a Cast");
  }
  Shape result;
  for (size_t i = 0; i < context.input_count(); ++i) {
    const Shape& x = context.shape(i);
    if (!x.ranked) return context.set_output(0, context.dtype(0), Shape());
    size_t at = front_axis(context, axis, x.rank());
    if (i == 0) {
      result = x;
      continue;
    }
    auto fail = [&] {
      context.fail(fmt::format("input {} has shape {}, which cannot follow {} along axis {}", i, to_string(x),
                               to_string(context.shape(0)), at), "all other sizes must be equal");
    };
    if (x.rank() != result.rank()) fail();
    for (size_t d = 0; d < x.dims.size(); ++d) {
      if (d == at) {
        result[d] = sum(result[d], x[d]);
      } else {
        auto both = unify(result[d], x[d]);
        if (!both) fail();
        result[d] = *both;
      }
    }
  }
  context.set_output(0, context.dtype(0), result);
  if (result.rank() == 1) propagate_value(context);
}

void Concat::evaluate(EvalContext& context) const {
  const Tensor& first = context.in(0);
  size_t at = front_axis(context, axis, first.rank());
  Dims dims = first.dims();
  for (size_t i = 1; i < context.input_count(); ++i) {
    const Tensor& x = context.in(i);
    Dims same = x.dims();
    if (same.size() == dims.size()) same[at] = dims[at];
    if (same != dims || x.dtype() != first.dtype())
      context.fail(fmt::format("input {} is {}{}, which cannot follow {}{} along axis {}", i, name_of(x.dtype()),
                               to_string(x.dims()), name_of(first.dtype()), to_string(first.dims()), at));
    dims[at] += x.dims()[at];
  }
  int64_t outer = count_between(dims, 0, at), inner = count_between(dims, at, dims.size());
  move_elements(context, 0, first, dims, [&]<class T>(const T*, T* out) {
    for (size_t i = 0; i < context.input_count(); ++i) {
      const Tensor& x = context.in(i);
      const T* in;
      if constexpr (std::is_same_v<T, std::string>) in = x.strings().data();
      else in = static_cast<const T*>(x.raw());
      int64_t rows = count_between(x.dims(), at, x.dims().size());
      for (int64_t o = 0; o < outer; ++o) std::copy(in + o * rows, in + (o + 1) * rows, out + o * inner);
      out += rows;
    }
  });
}

HONE_DEFINE_OP(Concat)

}  // namespace hone::ops
