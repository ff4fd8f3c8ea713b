// Softmax of bytes: the largest of a row, the sum of the exponentials, and their share as bytes.
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/softmax.inl"
#include "kernels/softmax_int8.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int64_t kHeld = 2048;  ///< exponentials of a row that are kept on the stack; of longer rows they come twice

struct Settings {
  SoftmaxInt8 s;
  VF lo, hi;
  VI zero;

  explicit Settings(const SoftmaxInt8& given) : s(given), zero(set1i(given.y_zero)) {
    const ByteRange limits = byte_range(given.y_signed ? DType::i8 : DType::u8, given.y_zero);
    lo = set1(limits.lo), hi = set1(limits.hi);
  }
  template <class Mask>
  HONE_INLINE VF number(const uint8_t* x, const Mask& m) const {
    const auto bytes = load_bytes(x, m);
    return to_float(s.x_signed ? widen_i8(bytes) : widen_u8(bytes));
  }
  HONE_INLINE VI result(VF exponential, VF factor) const { return quantized(mul(exponential, factor), lo, hi, zero); }
};

int largest(const uint8_t* x, int64_t length, bool is_signed) {
  const uint8_t flip = is_signed ? 0x80 : 0;
  uint8_t top = 0;
  for (int64_t i = 0; i < length; ++i) {
    const auto v = static_cast<uint8_t>(x[i] ^ flip);
    top = v > top ? v : top;
  }
  return is_signed ? top - 128 : top;
}

void row(const Settings& t, const uint8_t* x, uint8_t* y) {
  const int64_t length = t.s.length;
  const VF scale = set1(t.s.x_scale), shift = set1(-t.s.x_scale * static_cast<float>(largest(x, length, t.s.x_signed)));
  const bool keep = length <= kHeld;
  float held[kHeld];
  VF total = zero_f();
  const auto exponential = [&](int64_t i, const auto& m) __attribute__((always_inline)) {
    return exp(fma(t.number(x + i, m), scale, shift));
  };
  for_row(length, [&](int64_t i, const auto& m) {
    const VF e = exponential(i, m);
    total = add(total, pad_tail(e, m, 0));
    if (keep) store(held + i, e, m);
  });
  const VF factor = set1(1 / (sum(total) * t.s.y_scale));
  if (keep) {
    for_row(length, [&](int64_t i, const auto& m) { store_bytes(y + i, t.result(load(held + i, m), factor), m); });
  } else {
    for_row(length, [&](int64_t i, const auto& m) { store_bytes(y + i, t.result(exponential(i, m), factor), m); });
  }
}

/// Adjacent columns, one a lane.
template <class Mask>
void columns(const Settings& t, const uint8_t* x, uint8_t* y, const Mask& m) {
  const int64_t length = t.s.length, inner = t.s.inner;
  VF top = t.number(x, m);
  for (int64_t k = 1; k < length; ++k) top = max(top, t.number(x + k * inner, m));
  const VF scale = set1(t.s.x_scale), shift = mul(sub(zero_f(), top), scale);
  VF total = zero_f();
  for (int64_t k = 0; k < length; ++k) total = add(total, exp(fma(t.number(x + k * inner, m), scale, shift)));
  const VF factor = div(set1(1 / t.s.y_scale), total);
  for (int64_t k = 0; k < length; ++k)
    store_bytes(y + k * inner, t.result(exp(fma(t.number(x + k * inner, m), scale, shift)), factor), m);
}

void run(const SoftmaxInt8& settings, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  const Settings t(settings);
  const int64_t inner = settings.inner, plane = settings.length * inner, units = column_units(inner);
  for (int64_t u = begin; u < end; ++u) {
    if (inner == 1) {
      row(t, x + u * plane, y + u * plane);
      continue;
    }
    const int64_t first = u % units * kColumnUnit, last = first + kColumnUnit < inner ? first + kColumnUnit : inner;
    const uint8_t* from = x + u / units * plane;
    uint8_t* to = y + u / units * plane;
    int64_t i = first;
    for (; i + kLanes <= last; i += kLanes) columns(t, from + i, to + i, Full{});
    if (i < last) columns(t, from + i, to + i, Part(static_cast<int>(last - i)));
  }
}

}  // namespace

extern const SoftmaxInt8Kernels softmax_int8;
const SoftmaxInt8Kernels softmax_int8{run};

}  // namespace hone::kernels::HONE_ISA
