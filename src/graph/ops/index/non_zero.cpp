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
    if (x.rank() == 1) std::copy(found.begin(), found.end(), out);
    else if (x.size() <= UINT32_MAX) coordinates<uint32_t>(found, strides, x.dims(), out);
    else coordinates<int64_t>(found, strides, x.dims(), out);
  }

 private:
  /// The coordinates of elements, axis by axis. T: what holds their numbers; short divisions are several times faster.
  template <class T>
  static void coordinates(const std::vector<int64_t>& elements, const Dims& strides, const Dims& dims, int64_t* out) {
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      auto stride = static_cast<T>(strides[axis]), size = static_cast<T>(dims[axis]);
      for (int64_t at : elements) {
        T block = static_cast<T>(at) / stride;
        *out++ = static_cast<int64_t>(axis == 0 ? block : block % size);
      }
    }
  }
};

HONE_DEFINE_OP(NonZero)

}  // namespace hone::ops
