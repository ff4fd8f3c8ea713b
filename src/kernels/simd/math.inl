#pragma once
// Vectorized activations over the wrappers of simd/*.hpp. Included after one of them.
#include "kernels/epilogue.hpp"
#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

struct ExpParts {
  VF power;  ///< 2^n, n = round(x / ln 2)
  VF rest;   ///< exp(x - n ln 2) - 1
};

// Cephes' expf polynomial; relative error below 2e-7. x is held in [-87.3, 88.3], where 2^n is a normal number.
HONE_INLINE ExpParts exp_parts(VF x) {
  x = max(set1(-87.3f), min(set1(88.3f), x));
  VF n = round_even(mul(x, set1(1.44269504f)));
  VF r = fnma(n, set1(0.693359375f), x);
  r = fnma(n, set1(-2.12194440e-4f), r);
  VF p = fma(set1(1.9875691500e-4f), r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p, mul(r, r), r);
  return {as_float(shift_left<23>(add(to_int(n), set1i(127)))), p};
}

HONE_INLINE VF exp(VF x) {
  ExpParts e = exp_parts(x);
  VF y = fma(e.rest, e.power, e.power);
  return select(less(x, set1(-87.3f)), zero_f(), y);
}

HONE_INLINE VF expm1(VF x) {
  ExpParts e = exp_parts(x);
  return fma(e.rest, e.power, sub(e.power, set1(1)));
}

HONE_INLINE VF abs(VF x) { return and_(x, as_float(set1i(0x7fffffff))); }
HONE_INLINE VF with_sign_of(VF magnitude, VF x) { return or_(magnitude, and_(x, as_float(set1i(INT32_MIN)))); }

// exp(x) of N vectors step by step, so that no step waits for the one before; relative error below 4e-7, x within
// [-87.3, 88]. With r = x - n ln 2, exp(x) = 2^n exp(r): a minimax polynomial (9.4e-8) whose exponent gets n added.
// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
template <int N>
HONE_INLINE void exps(VF (&x)[N]) {
  const VF magic = set1(12582912.0f);
  VF t[N], n[N], p[N];
  unroll<N>(HONE_EACH { t[i] = fma(x[i], set1(1.44269504f), magic); });
  unroll<N>(HONE_EACH { n[i] = sub(t[i], magic); });
  if constexpr (kFused) {
    unroll<N>(HONE_EACH { x[i] = fnma(n[i], set1(0.693147182f), x[i]); });
  } else {
    unroll<N>(HONE_EACH { x[i] = fnma(n[i], set1(-2.12194440e-4f), fnma(n[i], set1(0.693359375f), x[i])); });
  }
  unroll<N>(HONE_EACH { p[i] = fma(set1(0.00829022657f), x[i], set1(0.0418983921f)); });
  unroll<N>(HONE_EACH { p[i] = fma(p[i], x[i], set1(0.166676402f)); });
  unroll<N>(HONE_EACH { p[i] = fma(p[i], x[i], set1(0.499991447f)); });
  unroll<N>(HONE_EACH { p[i] = fma(p[i], x[i], set1(0.999999702f)); });
  unroll<N>(HONE_EACH { p[i] = fma(p[i], x[i], set1(1)); });
  unroll<N>(HONE_EACH { x[i] = as_float(add(as_int(p[i]), shift_left<23>(as_int(t[i])))); });
}

// 1 / (1 + exp(-x)), relative error below 5e-7. x is held where the result is a normal number.
template <int N>
HONE_INLINE void sigmoids(VF (&x)[N]) {
  const VF one = set1(1);
  unroll<N>(HONE_EACH { x[i] = sub(zero_f(), max(set1(-87), min(set1(87), x[i]))); });
  exps(x);
  unroll<N>(HONE_EACH { x[i] = div(one, add(one, x[i])); });
}
HONE_INLINE VF sigmoid(VF x) {
  VF v[1] = {x};
  sigmoids(v);
  return v[0];
}
HONE_INLINE VF hard_swish(VF x, VF one) {
  return mul(x, min(one, max(zero_f(), fma(x, set1(1.0f / 6), set1(0.5f)))));
}

HONE_INLINE VF tanh(VF x) {
  VF t = expm1(mul(abs(x), set1(-2)));
  return with_sign_of(div(sub(zero_f(), t), add(set1(2), t)), x);
}

// x times the normal distribution's integral. The integral below -|x| is erfc(z) / 2 with z = |x| / sqrt 2, from the
// Chebyshev fit of Numerical Recipes (erfcc; fractional error below 1.2e-7 before rounding), so that it keeps its
// relative accuracy far below zero.
template <int N>
HONE_INLINE void gelus(VF (&x)[N]) {
  const float fit[] = {0.17087277f,  -0.82215223f, 1.48851587f, -1.13520398f, 0.27886807f,
                       -0.18628806f, 0.09678418f,  0.37409196f, 1.00002368f,  -1.26551223f};
  VF t[N], p[N];
  unroll<N>(HONE_EACH { t[i] = div(set1(1), fma(abs(x[i]), set1(0.70710678f * 0.5f), set1(1))); });
  unroll<N>(HONE_EACH { p[i] = set1(fit[0]); });
  unroll<9>([&](auto k) __attribute__((always_inline)) {
    unroll<N>(HONE_EACH { p[i] = fma(p[i], t[i], set1(fit[k + 1])); });
  });
  unroll<N>(HONE_EACH { p[i] = max(set1(-87.3f), fnma(mul(x[i], set1(0.5f)), x[i], p[i])); });
  exps(p);
  unroll<N>(HONE_EACH {
    const VF half = mul(mul(set1(0.5f), t[i]), p[i]);
    x[i] = mul(x[i], select(less(x[i], zero_f()), half, sub(set1(1), half)));
  });
}

// tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2).
HONE_INLINE VF mish(VF x) {
  VF e = exp(min(set1(20), x));
  VF n = mul(e, add(e, set1(2)));
  return mul(x, div(n, add(n, set1(2))));
}

HONE_INLINE VF clamp(VF x, VF lo, VF hi) { return min(hi, max(lo, x)); }

template <class F>
HONE_INLINE void apply(VF* v, int n, F f) {
  for (int i = 0; i < n; ++i) v[i] = f(v[i]);
}

/// Applies `act` to n vectors.
[[maybe_unused]] HONE_NOINLINE void activate(VF* v, int n, const Activation& act) {
  VF a = set1(act.alpha), b = set1(act.beta), one = set1(1);
  switch (act.kind) {
    case Act::none: break;
    case Act::relu: apply(v, n, [&](VF x) { return max(zero_f(), x); }); break;
    case Act::clip: apply(v, n, [&](VF x) { return clamp(x, a, b); }); break;
    case Act::leaky_relu: apply(v, n, [&](VF x) { return select(less(x, zero_f()), mul(x, a), x); }); break;
    case Act::sigmoid: apply(v, n, [&](VF x) { return sigmoid(x); }); break;
    case Act::hard_sigmoid: apply(v, n, [&](VF x) { return clamp(fma(x, a, b), zero_f(), one); }); break;
    case Act::hard_swish: apply(v, n, [&](VF x) { return hard_swish(x, one); }); break;
    case Act::swish: apply(v, n, [&](VF x) { return mul(x, sigmoid(mul(x, a))); }); break;
    case Act::gelu:
      apply(v, n, [&](VF x) {
        VF one_of[1] = {x};
        gelus(one_of);
        return one_of[0];
      });
      break;
    case Act::tanh: apply(v, n, [&](VF x) { return tanh(x); }); break;
    case Act::elu: apply(v, n, [&](VF x) { return select(less(x, zero_f()), mul(a, expm1(x)), x); }); break;
    case Act::mish: apply(v, n, [&](VF x) { return mish(x); }); break;
    case Act::exp: apply(v, n, [&](VF x) { return exp(x); }); break;
    case Act::sqrt: apply(v, n, [&](VF x) { return square_root(x); }); break;
    case Act::abs: apply(v, n, [&](VF x) { return abs(x); }); break;
    case Act::neg: apply(v, n, [&](VF x) { return sub(zero_f(), x); }); break;
    case Act::reciprocal: apply(v, n, [&](VF x) { return div(one, x); }); break;
  }
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
