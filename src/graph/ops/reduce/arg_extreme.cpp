#include "graph/ops/reduce/arg_extreme.hpp"

#include "graph/ops/axis.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

namespace {
template <class T>
int64_t index_of_extreme(const T* x, const AxisView& view, bool largest, bool last) {
  int64_t best = 0;
  auto extreme = static_cast<Wide<T>>(x[0]);
  for (int64_t i = 1; i < view.size; ++i) {
    auto value = static_cast<Wide<T>>(x[i * view.inner]);
    bool tie = value == extreme || (is_nan(value) && is_nan(extreme));
    bool better = !is_nan(extreme) && (is_nan(value) || (largest ? value > extreme : value < extreme));
    if (!better && !(tie && last)) continue;
    extreme = value;
    best = i;
  }
  return best;
}
}  // namespace

void ArgExtreme::attributes(AttributeVisitor& visitor) {
  visitor.field("axis", axis);
  visitor.field("keepdims", keepdims);
  visitor.field("select_last_index", select_last_index);
}

void ArgExtreme::infer(InferContext& context) const {
  require_types(context, 0, Types::numbers);
  Shape shape = context.shape(0);
  if (shape.ranked) {
    size_t front = front_axis(context, axis, shape.rank());
    if (shape[front] == Dim(0)) context.fail("axis " + std::to_string(axis) + " of " + to_string(shape) + " is empty");
    if (keepdims) shape[front] = 1;
    else shape.dims.erase(shape.dims.begin() + static_cast<std::ptrdiff_t>(front));
  }
  context.set_output(0, DType::i64, std::move(shape));
}

void ArgExtreme::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  size_t front = front_axis(context, axis, x.rank());
  AxisView view(x.dims(), front);
  if (view.size == 0) context.fail("axis " + std::to_string(axis) + " of " + to_string(x.dims()) + " is empty");
  Dims dims = x.dims();
  if (keepdims) dims[front] = 1;
  else dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(front));
  auto out = context.out(0, DType::i64, dims).mutable_data<int64_t>();
  dispatch_types<Types::numbers>(context, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = static_cast<const T*>(x.raw());
    for (size_t i = 0; i < out.size(); ++i) {
      auto line = static_cast<int64_t>(i);
      const T* begin = in + line / view.inner * view.size * view.inner + line % view.inner;
      out[i] = index_of_extreme(begin, view, largest(), select_last_index);
    }
  });
}

}  // namespace hone::ops
