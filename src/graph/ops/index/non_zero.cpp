#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// y[:, k] = position of the k-th element of x that is not zero, in row-major order.
struct NonZero : OpOf<NonZero> {
  const char* type() const override { return "NonZero"; }
  OpSpec spec() const override {
    return {.traits = 0u | Trait::data_dependent, .summary = "y = positions of the elements that are not 0"};
  }
  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    context.set_output(0, DType::i64, Shape{x.ranked ? Dim(x.rank()) : Dim(), Dim()});
  }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    std::vector<int64_t> found;
    dispatch(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T* in = static_cast<const T*>(x.raw());
      for (int64_t i = 0; i < x.size(); ++i) {
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
          if (static_cast<float>(in[i]) != 0) found.push_back(i);
        } else if (in[i] != T{}) {
          found.push_back(i);
        }
      }
    });
    auto count = static_cast<int64_t>(found.size());
    Tensor& y = context.out(0, DType::i64, {x.rank(), count});
    Dims strides = row_major_strides(x.dims());
    int64_t* out = static_cast<int64_t*>(y.mutable_raw());
    for (size_t axis = 0; axis < strides.size(); ++axis)
      for (int64_t at : found) *out++ = at / strides[axis] % x.dims()[axis];
  }
};

HONE_DEFINE_OP(NonZero)

}  // namespace hone::ops
