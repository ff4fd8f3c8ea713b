#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// y = x, then y[indices[i][j]][j] = updates[i][j] for axis 0. Inputs: x, indices, updates (same sizes as indices).
struct ScatterElements : OpOf<ScatterElements> {
  int64_t axis = 0;
  std::string reduction = "none";  ///< none, add, mul, max or min

  const char* type() const override { return "ScatterElements"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .summary = "y = x with y[indices[i][j]][j] = updates[i][j] along axis"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("axis", axis);
    visitor.field("reduction", reduction);
  }

  void infer(InferContext& context) const override {
    check_index_type(context, context.dtype(1), 1);
    parse_reduction(context, reduction);
    if (context.shape(0).ranked) front_axis(context, axis, context.shape(0).rank());
    context.set_output(0, context.dtype(0), context.shape(0));
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &indices = context.in(1), &updates = context.in(2);
    check_index_type(context, indices.dtype(), 1);
    Reduction how = parse_reduction(context, reduction);
    size_t at = front_axis(context, axis, x.rank());
    if (indices.dims() != updates.dims() || indices.rank() != x.rank() || updates.dtype() != x.dtype())
      context.fail(fmt::format("indices {} and updates {}{} do not fit the input {}{}", to_string(indices.dims()),
                               name_of(updates.dtype()), to_string(updates.dims()), name_of(x.dtype()),
                               to_string(x.dims())));
    for (size_t i = 0; i < x.dims().size(); ++i)
      if (i != at && indices.dims()[i] > x.dims()[i])
        context.fail(fmt::format("indices have shape {}, larger than the input {}", to_string(indices.dims()),
                                 to_string(x.dims())));
    Tensor& y = context.out(0, x.dtype(), x.dims());
    std::vector<int64_t> targets = indices.to_ints();
    Dims strides = row_major_strides(x.dims());
    int64_t step = strides[at], size = x.dims()[at], length = indices.dims().back(), along = strides.back();
    strides[at] = 0;
    if (at + 1 == strides.size()) along = 0;
    dispatch(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T *in = static_cast<const T*>(x.raw()), *update = static_cast<const T*>(updates.raw());
      T* out = static_cast<T*>(y.mutable_raw());
      std::copy(in, in + x.size(), out);
      for_each_row(indices.dims(), strides, [&](int64_t first, int64_t offset) {
        for (int64_t i = 0; i < length; ++i) {
          int64_t index = front_index(context, targets[static_cast<size_t>(first + i)], size);
          T& target = out[offset + i * along + index * step];
          target = reduce(how, target, update[first + i]);
        }
      });
    });
  }
};

HONE_DEFINE_OP(ScatterElements)

}  // namespace hone::ops
