// Range and quantization of a tensor while running. A real division, not the product with an inverse: ties must fall as
// the definition says.
#include "kernels/dynamic.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

void range(const float* x, int64_t begin, int64_t end, float* low, float* high) {
  VF least = zero_f(), most = zero_f();
  const auto take = [&](VF v) __attribute__((always_inline)) {
    least = select(less(v, least), v, least);  // false for NaN
    most = select(less(most, v), v, most);
  };
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) take(load(x + i));
  if (i < end) take(load(x + i, Part(static_cast<int>(end - i))));
  *low = -max_of(sub(zero_f(), least));
  *high = max_of(most);
}

void quantize(const float* x, float scale, int zero, uint8_t* y, int64_t begin, int64_t end) {
  const ByteRange limits = byte_range(DType::u8, zero);
  const VF divisor = set1(scale), lo = set1(limits.lo), hi = set1(limits.hi);
  const VI add_zero = set1i(zero);
  const auto convert = [&](VF v) __attribute__((always_inline)) {
    const VF q = div(v, divisor);
    // Both comparisons are false for NaN.
    const VF number = select(less(q, zero_f()), q, select(less(zero_f(), q), q, zero_f()));
    return quantized(number, lo, hi, add_zero);
  };
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) store_bytes(y + i, convert(load(x + i)));
  if (i < end) {
    const Part rest(static_cast<int>(end - i));
    store_bytes(y + i, convert(load(x + i, rest)), rest);
  }
}

}  // namespace

extern const DynamicKernels dynamic;
const DynamicKernels dynamic = {range, quantize};

}  // namespace hone::kernels::HONE_ISA
