// Functions of single elements, after Cephes' single-precision ones.
#include "kernels/functions.hpp"

#include <math.h>

#include "kernels/simd/math.inl"

namespace hone::kernels::HONE_ISA {
namespace {

template <int N>
HONE_INLINE VF polynomial(VF x, const float (&factors)[N]) {
  VF y = set1(factors[0]);
  for (int i = 1; i < N; ++i) y = fma(y, x, set1(factors[i]));
  return y;
}

/// Up to 1 an odd polynomial, which is exact near 0; beyond it 1 - erfc with the fit that gelu uses.
HONE_INLINE VF erf_of(VF x) {
  constexpr float near[] = {7.853861353153693e-5f, -8.010193625184903e-4f, 5.188327685732524e-3f,
                            -2.685381193529856e-2f, 1.128358514861418e-1f, -3.761262582423300e-1f,
                            1.128379165726710f};
  constexpr float far[] = {0.17087277f, -0.82215223f, 1.48851587f, -1.13520398f, 0.27886807f,
                           -0.18628806f, 0.09678418f, 0.37409196f, 1.00002368f, -1.26551223f};
  const VF size = abs(x), square = mul(x, x);
  const VF t = div(set1(1), fma(size, set1(0.5f), set1(1)));
  const VF rest = mul(t, exp(sub(polynomial(t, far), square)));
  return select(less(size, set1(1)), mul(x, polynomial(square, near)), with_sign_of(sub(set1(1), rest), x));
}

/// x = m 2^e with m in [0.7, 1.4): ln x = e ln 2 + ln m.
HONE_INLINE VF log_of(VF x) {
  constexpr float factors[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
                               1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
                               3.3333331174e-1f};
  const VF least = set1(1.17549435e-38f), one = set1(1);
  const VM small = less(x, least);  // below the normal numbers: two steps
  const VF scaled = select(small, mul(x, set1(8388608.0f)), x);
  VF e = mul(to_float(as_int(and_(scaled, as_float(set1i(0x7f800000))))), set1(1.0f / 8388608));
  e = sub(e, select(small, set1(126 + 23), set1(126)));
  VF m = or_(and_(scaled, as_float(set1i(0x007fffff))), as_float(set1i(0x3f000000)));  // [0.5, 1)
  const VM low = less(m, set1(0.707106781f));
  e = sub(e, select(low, one, zero_f()));
  m = sub(select(low, add(m, m), m), one);
  const VF square = mul(m, m);
  VF y = mul(mul(polynomial(m, factors), m), square);
  y = fma(e, set1(-2.12194440e-4f), y);
  y = fma(square, set1(-0.5f), y);
  y = fma(e, set1(0.693359375f), add(m, y));
  const VF infinity = set1(__builtin_inff());
  y = select(less(x, infinity), y, x);                                   // infinity and NaN stay
  y = select(less(zero_f(), x), y, select(less(x, zero_f()), set1(__builtin_nanf("")), y));
  const VM nothing = less(abs(x), set1(1e-45f));
  return select(nothing, sub(zero_f(), infinity), y);
}

constexpr float kFarAngle = 8192;  ///< beyond it the reduction loses digits

/// Octants: x = j pi / 4 + r with j even, |r| <= pi / 4; sine and cosine of r change places with j / 2.
HONE_INLINE VF sine_of(VF x, bool cosine) {
  constexpr float sines[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
  constexpr float cosines[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
  const VF quarter = round_even(mul(x, set1(0.636619772f)));  // j / 2
  VF r = fnma(quarter, set1(1.5703125f), x);
  r = fnma(quarter, set1(4.83751296997e-4f), r);
  r = fnma(quarter, set1(7.54978942e-8f), r);
  const VF square = mul(r, r);
  const VF s = fma(mul(polynomial(square, sines), square), r, r);
  const VF c = fma(mul(polynomial(square, cosines), square), square, fma(square, set1(-0.5f), set1(1)));
  // n mod 4 of the quarter that the result is in.
  const VF n = cosine ? add(quarter, set1(1)) : quarter;
  const VF turn = fnma(set1(4), round_even(sub(mul(n, set1(0.25f)), set1(0.375f))), n);  // 0, 1, 2 or 3
  const VF odd = sub(turn, mul(set1(2), round_even(sub(mul(turn, set1(0.5f)), set1(0.25f)))));
  const VF value = select(less(set1(0.5f), odd), c, s);
  return select(less(set1(1.5f), turn), sub(zero_f(), value), value);
}

template <class F>
HONE_INLINE void each(const float* x, float* y, int64_t begin, int64_t end, F vector) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) store(y + i, vector(load(x + i)));
  if (i < end) {
    const Part m(static_cast<int>(end - i));
    store(y + i, vector(load(x + i, m)), m);
  }
}

void functions_run(Function function, const float* x, float* y, int64_t begin, int64_t end) {
  switch (function) {
    case Function::erf: return each(x, y, begin, end, [](VF v) __attribute__((always_inline)) { return erf_of(v); });
    case Function::log: return each(x, y, begin, end, [](VF v) __attribute__((always_inline)) { return log_of(v); });
    case Function::sin:
    case Function::cos: {
      const bool cosine = function == Function::cos;
      for (int64_t at = begin; at < end; at += 256) {
        const int64_t stop = at + 256 < end ? at + 256 : end;
        bool far = false;
        for (int64_t i = at; i < stop; ++i) far |= !(x[i] < kFarAngle && x[i] > -kFarAngle);
        if (far)
          for (int64_t i = at; i < stop; ++i) y[i] = cosine ? cosf(x[i]) : sinf(x[i]);
        else
          each(x, y, at, stop, [cosine](VF v) __attribute__((always_inline)) { return sine_of(v, cosine); });
      }
    }
  }
}

}  // namespace

extern const FunctionKernels functions;
const FunctionKernels functions{functions_run};

}  // namespace hone::kernels::HONE_ISA
