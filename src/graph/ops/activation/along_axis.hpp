#pragma once
#include "graph/ops/axis.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

/// What Softmax, LogSoftmax and Hardmax share: every line of the input along an axis is mapped to a line of the output.
namespace hone::ops {

void infer_along_axis(InferContext& context, int64_t axis);

/// The largest of `size` numbers, NaN when one is NaN; size > 0.
template <class T>
T largest(const T* x, int64_t size) {
  T top = x[0];
  for (int64_t i = 1; i < size; ++i) top = max_nan(top, x[i]);
  return top;
}

/// Calls line(x, y, size) for each line, with x and y dense arrays of f32 or f64; size > 0.
template <class Line>
void evaluate_along_axis(EvalContext& context, int64_t axis, Line line) {
  const Tensor& x = context.in(0);
  AxisView view(x.dims(), front_axis(context, axis, x.rank()));
  dispatch_types<Types::floats>(context, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = static_cast<const T*>(x.raw());
    T* out = static_cast<T*>(context.out(0, x.dtype(), x.dims()).mutable_raw());
    if (x.size() == 0) return;
    std::vector<Wide<T>> from(static_cast<size_t>(view.size)), to(from.size());
    for (int64_t number = 0; number < view.outer * view.inner; ++number) {
      int64_t begin = number / view.inner * view.size * view.inner + number % view.inner;
      for (size_t i = 0; i < from.size(); ++i)
        from[i] = static_cast<Wide<T>>(in[begin + static_cast<int64_t>(i) * view.inner]);
      line(from.data(), to.data(), view.size);
      for (size_t i = 0; i < to.size(); ++i) out[begin + static_cast<int64_t>(i) * view.inner] = T(to[i]);
    }
  });
}

}  // namespace hone::ops
