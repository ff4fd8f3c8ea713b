#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// y = x with `updates` at the positions in the last axis of `indices`. Inputs: x, indices, updates.
struct ScatterND : OpOf<ScatterND> {
  std::string reduction = "none";  ///< none, add, mul, max or min

  const char* type() const override { return "ScatterND"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .summary = "y = x with updates at the positions in indices"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("reduction", reduction); }

  void infer(InferContext& context) const override {
    check_index_type(context, context.dtype(1), 1);
    parse_reduction(context, reduction);
    context.set_output(0, context.dtype(0), context.shape(0));
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &indices = context.in(1), &updates = context.in(2);
    check_index_type(context, indices.dtype(), 1);
    Reduction how = parse_reduction(context, reduction);
    int64_t depth = indices.rank() > 0 ? indices.dim(-1) : 0;
    if (depth < 1 || depth > x.rank())
      context.fail(fmt::format("indices of shape {} name {} axes, the input has rank {}", to_string(indices.dims()),
                               depth, x.rank()));
    Dims expected(indices.dims().begin(), indices.dims().end() - 1);
    expected.insert(expected.end(), x.dims().begin() + depth, x.dims().end());
    if (updates.dims() != expected || updates.dtype() != x.dtype())
      context.fail(fmt::format("updates are {}{}, expected {}{}", name_of(updates.dtype()), to_string(updates.dims()),
                               name_of(x.dtype()), to_string(expected)));
    Tensor& y = context.out(0, x.dtype(), x.dims());
    std::vector<int64_t> at = indices.to_ints();
    Dims strides = row_major_strides(x.dims());
    int64_t inner = count_between(x.dims(), static_cast<size_t>(depth), x.dims().size());
    dispatch(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T *in = static_cast<const T*>(x.raw()), *update = static_cast<const T*>(updates.raw());
      T* out = static_cast<T*>(y.mutable_raw());
      std::copy(in, in + x.size(), out);
      const int64_t* position = at.data();
      for (int64_t i = 0; i < indices.size() / depth; ++i, position += depth, update += inner) {
        T* target = out;
        for (int64_t d = 0; d < depth; ++d)
          target += front_index(context, position[d], x.dim(static_cast<int>(d))) * strides[static_cast<size_t>(d)];
        for (int64_t k = 0; k < inner; ++k) target[k] = reduce(how, target[k], update[k]);
      }
    });
  }
};

HONE_DEFINE_OP(ScatterND)

}  // namespace hone::ops
