#include "graph/ops/nn/pooling/max_pool.hpp"

#include <limits>

#include "graph/ops/nn/pooling/pool.hpp"

namespace hone::ops {

OpSpec MaxPool::spec() const {
  return {.min_outputs = 1, .max_outputs = 2, .traits = 0u | Trait::scale_preserving,
          .summary = "y = the largest element of each window"};
}

void MaxPool::attributes(AttributeVisitor& visitor) {
  visitor.field("auto_pad", auto_pad);
  visitor.field("ceil_mode", ceil_mode);
  visitor.field("dilations", dilations);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("pads", pads);
  visitor.field("storage_order", storage_order);
  visitor.field("strides", strides);
}

namespace {
/// The smallest value of a type: what a window without any input yields.
template <class T>
T smallest() {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return T(-std::numeric_limits<float>::infinity());
  else if constexpr (std::is_integral_v<T>) return std::numeric_limits<T>::lowest();
  else return -std::numeric_limits<T>::infinity();
}

/// Row-major position in a plane as a column-major one (the first axis varies fastest).
int64_t column_major(int64_t at, const std::array<int64_t, 3>& size) {
  int64_t w = at % size[2], h = at / size[2] % size[1], d = at / size[2] / size[1];
  return size[0] * (h + size[1] * w) + d;
}
}  // namespace

void MaxPool::infer(InferContext& context) const { infer_pool(context, window_attributes(*this)); }

void MaxPool::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  PoolGeometry geometry = pool_geometry(context, window_attributes(*this), x.dims());
  Tensor& y = context.out(0, x.dtype(), geometry.result);
  int64_t* where = nullptr;
  if (context.output_count() > 1) where = context.out(1, DType::i64, geometry.result).mutable_data<int64_t>().data();
  int64_t plane_size = geometry.input_plane();
  dispatch(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = static_cast<const T*>(x.raw());
    T* out = static_cast<T*>(y.mutable_raw());
    for_each_window(geometry, [&](int64_t i, int64_t plane, const PoolSpan& d, const PoolSpan& h, const PoolSpan& w) {
      const T* from = in + plane * plane_size;
      T best = smallest<T>();
      int64_t position = -1;
      for_each_element(geometry, d, h, w, [&](int64_t at) {
        if (position >= 0 && !(from[at] > best)) return;
        best = from[at];
        position = at;
      });
      out[i] = best;
      if (!where) return;
      if (storage_order && position >= 0) position = column_major(position, geometry.input);
      where[i] = plane * plane_size + position;
    });
  });
}

HONE_DEFINE_OP(MaxPool)

}  // namespace hone::ops
