#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

namespace {

/// base ^ exponent, wrapping around; a negative exponent gives the truncated fraction (0 for base 0).
template <class T>
T power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (std::is_signed_v<T> && base == static_cast<T>(-1)) return static_cast<T>(exponent % 2 ? -1 : 1);
    return 0;
  }
  T result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = wrap_mul(result, base);
    base = wrap_mul(base, base);
  }
  return result;
}

/// x ^ 0.5, which unlike the root is defined for -infinity and positive for -0.
template <class T>
T half_power(T x) {
  return std::isinf(x) ? std::abs(x) : std::sqrt(x) + T(0);
}

/// y = x ^ e for exponents that were converted to E, either double or int64_t.
template <class T, class E>
void power_rows(const Tensor& x, const Tensor& exponent, Tensor& y) {
  const T* base = static_cast<const T*>(x.raw());
  const E* power_of = static_cast<const E*>(exponent.raw());
  T* out = static_cast<T*>(y.mutable_raw());
  for_each_broadcast_row(y.dims(), {&x.dims(), &exponent.dims()}, [&](const BroadcastRow& row) {
    const T* p = base + row.begin[0];
    const E* q = power_of + row.begin[1];
    T* to = out + row.out;
    if constexpr (is_float_type<T>) {
      if (row.step[1] == 0 && (q[0] == 2 || q[0] == 3)) {  // by far the most frequent uses
        for (int64_t i = 0; i < row.count; ++i) {
          auto value = static_cast<Wide<T>>(p[i * row.step[0]]), square = value * value;
          to[i] = T(q[0] == 2 ? square : square * value);
        }
        return;
      }
      if (row.step[1] == 0 && q[0] == 0.5) {
        for (int64_t i = 0; i < row.count; ++i) to[i] = T(half_power(static_cast<Wide<T>>(p[i * row.step[0]])));
        return;
      }
    }
    for (int64_t i = 0; i < row.count; ++i) {
      T value = p[i * row.step[0]];
      if constexpr (std::is_same_v<E, int64_t>) to[i] = power(value, q[i * row.step[1]]);
      else to[i] = from_double<T>(std::pow(static_cast<double>(value), q[i * row.step[1]]));
    }
  });
}

}  // namespace

/// y = x ^ e, with broadcasting; x and e may have different types, y has the type of x
struct Pow : OpOf<Pow> {
  const char* type() const override { return "Pow"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = x ^ e"};
  }
  void infer(InferContext& context) const override {
    require_types(context, 0, Types::numbers);
    require_types(context, 1, Types::numbers);
    infer_broadcast(context);
  }
  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &e = context.in(1);
    Dims dims = broadcast_dims(context);
    bool integers = is_integer(x.dtype()) && is_integer(e.dtype());
    Tensor exponent = e.cast(integers ? DType::i64 : DType::f64);
    dispatch_types<Types::numbers>(context, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      Tensor& y = context.out(0, x.dtype(), dims);
      if constexpr (!is_float_type<T>)
        if (integers) return power_rows<T, int64_t>(x, exponent, y);
      power_rows<T, double>(x, exponent, y);
    });
  }
};

HONE_DEFINE_OP(Pow)

}  // namespace hone::ops
