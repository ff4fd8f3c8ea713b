#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// Ones on diagonal k, zeros elsewhere, with the sizes of the input (a matrix).
struct EyeLike : OpOf<EyeLike> {
  std::optional<int64_t> dtype;
  int64_t k = 0;

  const char* type() const override { return "EyeLike"; }
  OpSpec spec() const override { return {.summary = "y = 1 on diagonal k, 0 elsewhere"}; }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("dtype", dtype);
    visitor.field("k", k);
  }
  void infer(InferContext& context) const override {
    if (context.shape(0).ranked && context.shape(0).rank() != 2)
      context.fail("input has shape " + to_string(context.shape(0)) + ", expected a matrix");
    context.set_output(0, result_type(context, context.dtype(0)),
                       context.shape(0).ranked ? context.shape(0) : unknown_sizes(2));
  }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    if (x.rank() != 2) context.fail("input has shape " + to_string(x.dims()) + ", expected a matrix");
    Tensor& y = context.out(0, result_type(context, x.dtype()), x.dims());
    if (y.bytes() > 0) std::memset(y.mutable_raw(), 0, y.bytes());
    int64_t rows = x.dim(0), columns = x.dim(1), shift = std::clamp(k, -rows, columns);
    dispatch(y.dtype(), [&](auto tag) {
      using T = decltype(tag);
      T* out = static_cast<T*>(y.mutable_raw());
      for (int64_t row = 0; row < rows; ++row) {
        int64_t column = row + shift;
        if (column >= 0 && column < columns) out[row * columns + column] = T(1);
      }
    });
  }

 private:
  template <class Context>
  DType result_type(Context& context, DType own) const {
    if (!dtype) return own;
    if (*dtype < 0 || *dtype > 255 || size_of(static_cast<DType>(*dtype)) == 0)
      context.fail(fmt::format("attribute dtype is {}, which is not a numeric type that Hone has", *dtype));
    return static_cast<DType>(*dtype);
  }
};

HONE_DEFINE_OP(EyeLike)

}  // namespace hone::ops
