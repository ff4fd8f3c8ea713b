#pragma once
#include <fmt/format.h>

#include "graph/op.hpp"

/// How nn ops compute: f32 and f64 as they are, f16 and bf16 in f32 with one rounding at the end.
namespace hone::ops {

/// Calls f(float{}) or f(double{}), the type that tensors of `dtype` are computed in.
template <class F>
void with_float(const EvalContext& context, DType dtype, F&& f) {
  if (!is_float(dtype))
    context.fail(fmt::format("input is {}, expected a floating-point type", name_of(dtype)), "insert a Cast");
  if (dtype == DType::f64) f(double{});
  else f(float{});
}

/// Input i in the type of computation (shares memory where that is its own type).
template <class T>
Tensor input_as(const EvalContext& context, size_t i) {
  return context.in(i).cast(dtype_of<T>());
}

template <class T>
const T* pointer(const Tensor& tensor) {
  return tensor.data<T>().data();
}

/// Makes output i of type `dtype` out of what fill(T*) writes.
template <class T, class F>
void output_as(EvalContext& context, size_t i, DType dtype, const Dims& dims, F&& fill) {
  if (dtype == dtype_of<T>()) return fill(context.out(i, dtype, dims).template mutable_data<T>().data());
  Tensor wide(dtype_of<T>(), dims);
  fill(wide.mutable_data<T>().data());
  context.set(i, wide.cast(dtype));
}

/// Fails unless input i is a list of `count` numbers.
inline void check_vector(const EvalContext& context, size_t i, const char* what, int64_t count) {
  const Tensor& tensor = context.in(i);
  if (tensor.rank() != 1 || tensor.size() != count)
    context.fail(fmt::format("{} has shape {}, expected [{}]", what, to_string(tensor.dims()), count));
}

/// As check_vector, as far as the type is known.
inline void check_vector(const InferContext& context, size_t i, const char* what, const Dim& count) {
  if (!context.has_input(i)) return;
  const Shape& shape = context.shape(i);
  bool fits = !shape.ranked || (shape.rank() == 1 && (!shape[0].known() || !count.known() || shape[0] == count));
  if (!fits) context.fail(fmt::format("{} has shape {}, expected [{}]", what, to_string(shape), to_string(count)));
}

/// Fails when x is known to have fewer axes than `rank`.
template <class Context, class AnyShape>
void check_min_rank(Context& context, const AnyShape& x, size_t rank, const char* form) {
  if constexpr (std::is_same_v<AnyShape, Shape>) {
    if (x.ranked && x.dims.size() < rank)
      context.fail(fmt::format("input has shape {}, expected {}", to_string(x), form));
  } else {
    if (x.size() < rank) context.fail(fmt::format("input has shape {}, expected {}", to_string(x), form));
  }
}

}  // namespace hone::ops
