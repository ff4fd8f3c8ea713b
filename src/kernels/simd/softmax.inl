#pragma once
// Softmax of one row in registers and cache.
#include <math.h>

#include "kernels/simd/math.inl"

namespace hone::kernels::HONE_ISA {
namespace {

HONE_INLINE VF pad_tail(VF v, const Full&, float) { return v; }
HONE_INLINE VF pad_tail(VF v, const Part& m, float with) {
  float lanes[kLanes];
  store(lanes, v);
  for (int i = m.n; i < kLanes; ++i) lanes[i] = with;
  return load(lanes);
}

/// f(i, mask) over [0, count) a vector at a time.
template <class F>
HONE_INLINE void for_row(int64_t count, F f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, Full{});
  if (i < count) f(i, Part(static_cast<int>(count - i)));
}

[[maybe_unused]] void softmax_row(const float* x, float* y, int64_t length, bool logarithm) {
  VF top = set1(-__builtin_inff());
  for_row(length, [&](int64_t i, const auto& m) { top = max(top, pad_tail(load(x + i, m), m, -__builtin_inff())); });
  // A row of -inf only has no distribution: NaN, as the definition gives.
  const VF shift = set1(max_of(top));
  VF total = zero_f();
  for_row(length, [&](int64_t i, const auto& m) {
    const VF v = sub(load(x + i, m), shift), e = exp(v);
    total = add(total, pad_tail(e, m, 0));
    store(y + i, logarithm ? v : e, m);
  });
  const float all = sum(total);
  const VF log_all = set1(logarithm ? logf(all) : 0), inverse = set1(1 / all);
  for_row(length, [&](int64_t i, const auto& m) {
    store(y + i, logarithm ? sub(load(y + i, m), log_all) : mul(load(y + i, m), inverse), m);
  });
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
