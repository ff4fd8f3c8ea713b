#pragma once
// The Epilogue contract (kernels/epilogue.hpp) on accumulators in registers.
#include "kernels/simd/math.inl"
#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

/// The range of v for which v + zero fits the 8-bit type; exact in f32.
struct ByteRange {
  float lo, hi;
};
HONE_INLINE ByteRange byte_range(DType type, int zero) {
  return type == DType::u8 ? ByteRange{static_cast<float>(-zero), static_cast<float>(255 - zero)}
                           : ByteRange{static_cast<float>(-128 - zero), static_cast<float>(127 - zero)};
}

/// saturate(round_to_even(v) + zero): the clamp comes before the conversion, which has no value for large floats.
HONE_INLINE VI quantized(VF v, VF lo, VF hi, VI zero) { return add(to_int(min(max(v, lo), hi)), zero); }

/// An Epilogue prepared for a call. `simple`: the activation is a clamp and nothing follows it, so that scale, bias
/// and 1 / out_scale are one multiply-add and activation and saturation are one clamp.
struct Post {
  const Epilogue* e;
  bool simple, bytes;
  float lo, hi, multiply;
  int zero;
  ByteRules rules;  ///< zero point and the clamp after rounding, for `simple` 8-bit output
};

[[maybe_unused]] Post prepare(const Epilogue& e) {
  Post p{&e, false, e.out_type != DType::f32, -__builtin_inff(), __builtin_inff(), 1, e.out_zero, {true, 0, 0, 0}};
  if (e.act.kind == Act::relu) p.lo = 0;
  if (e.act.kind == Act::clip) p.lo = e.act.alpha, p.hi = e.act.beta;
  p.simple = (e.act.kind == Act::none || e.act.kind == Act::relu || e.act.kind == Act::clip) && !e.residual && e.grid_scale == 0 &&
             e.act2.kind == Act::none && !e.out_factor;
  if (p.simple && p.bytes) {
    ByteRange range = byte_range(e.out_type, e.out_zero);
    p.multiply = e.out_inverse_scale;
    p.lo = p.lo * p.multiply > range.lo ? p.lo * p.multiply : range.lo;
    p.hi = p.hi * p.multiply < range.hi ? p.hi * p.multiply : range.hi;
    // An activation range outside of the type's range saturates.
    if (p.lo > range.hi) p.lo = range.hi;
    if (p.hi < range.lo) p.hi = range.lo;
    p.rules = {e.out_type == DType::u8, p.zero, static_cast<int>(__builtin_rintf(p.lo)) + p.zero,
               static_cast<int>(__builtin_rintf(p.hi)) + p.zero};
  }
  return p;
}

/// For accumulators within [-bound, bound]: makes sure that `simple` 8-bit output never leaves the range of the
/// conversion to integers, or else chooses the general way.
[[maybe_unused]] void check_range(Post& p, int64_t channels, float bound) {
  if (!p.simple || !p.bytes) return;
  VF most = zero_f();
  for (int64_t c = 0; c < channels; c += kLanes) {
    const Part m(channels - c < kLanes ? static_cast<int>(channels - c) : kLanes);
    const VF scale = p.e->scale ? load(p.e->scale + c, m) : set1(1);
    const VF bias = p.e->bias ? load(p.e->bias + c, m) : zero_f();
    const VF reach = fma(abs(scale), set1(bound), abs(bias));
    most = select(less(reach, most), most, reach);  // keeps NaN
  }
  if (max_of(most) * p.multiply < 1e9f) return;
  p.simple = false;
  p.multiply = 1;
}

struct ChannelPost {
  VF scale, bias;
  VF out;  ///< for what is not `simple`: out_factor times 1 / out_scale
};
template <class M>
HONE_INLINE ChannelPost load_post(const Post& p, int64_t c, const M& m) {
  VF multiply = set1(p.multiply);
  return {p.e->scale ? mul(load(p.e->scale + c, m), multiply) : multiply,
          p.e->bias ? mul(load(p.e->bias + c, m), multiply) : zero_f(),
          p.e->out_factor ? mul(load(p.e->out_factor + c, m), set1(p.e->out_inverse_scale)) : set1(p.e->out_inverse_scale)};
}

template <class M>
HONE_INLINE VF load_as_float(const void* p, DType type, int64_t i, const M& m) {
  if (type == DType::f32) return load(static_cast<const float*>(p) + i, m);
  auto bytes = load_bytes(static_cast<const uint8_t*>(p) + i, m);
  return to_float(type == DType::u8 ? widen_u8(bytes) : widen_i8(bytes));
}

/// The whole contract for n vectors of accumulators; vector k goes to out[index + k * step].
template <class M>
HONE_NOINLINE void finish_any(const Epilogue& e, ChannelPost cp, VF* v, int n, void* out, int64_t index, int64_t step,
                              const M& m) {
  for (int k = 0; k < n; ++k) v[k] = fma(v[k], cp.scale, cp.bias);
  activate(v, n, e.act);
  if (e.grid_scale > 0) {
    const VF scale = set1(e.grid_scale), inverse = set1(1 / e.grid_scale), lo = set1(e.grid_low), hi = set1(e.grid_high);
    for (int k = 0; k < n; ++k) v[k] = mul(to_float(to_int(min(max(mul(v[k], inverse), lo), hi))), scale);
  }
  if (e.residual) {
    VF zero = set1(static_cast<float>(e.residual_zero)), scale = set1(e.residual_scale);
    for (int k = 0; k < n; ++k)
      v[k] = fma(sub(load_as_float(e.residual, e.residual_type, index + k * step, m), zero), scale, v[k]);
  }
  activate(v, n, e.act2);
  if (e.out_type == DType::f32) {
    if (e.out_factor)
      for (int k = 0; k < n; ++k) v[k] = mul(v[k], cp.out);
    for (int k = 0; k < n; ++k) store(static_cast<float*>(out) + index + k * step, v[k], m);
    return;
  }
  ByteRange range = byte_range(e.out_type, e.out_zero);
  VF lo = set1(range.lo), hi = set1(range.hi);
  for (int k = 0; k < n; ++k)
    store_bytes(static_cast<uint8_t*>(out) + index + k * step,
                quantized(mul(v[k], cp.out), lo, hi, set1i(e.out_zero)), m);
}

/// Epilogue and store of N vectors of accumulators of one channel block; vector k goes to out[index + k * step].
/// Bounded: check_range was called.
template <int N, bool Bounded = false, class M>
HONE_INLINE void finish(const Post& p, const ChannelPost& cp, const VF (&v)[N], void* out, int64_t index, int64_t step,
                        const M& m) {
  if (!p.simple) {
    VF copy[N];  // the accumulators themselves stay in registers
    for (int k = 0; k < N; ++k) copy[k] = v[k];
    finish_any(*p.e, cp, copy, N, out, index, step, m);
    return;
  }
  if (!p.bytes) {
    const VF lo = set1(p.lo), hi = set1(p.hi);
    unroll<N>([&](auto k) __attribute__((always_inline)) {
      store(static_cast<float*>(out) + index + k * step, min(hi, max(lo, fma(v[k], cp.scale, cp.bias))), m);
    });
  } else {
    // Clamps after packing: rounding is monotone. Only what would leave the integers' range is held before.
    const ByteRules rules = p.rules;
    const VF top = set1(1e9f);
    auto* bytes = static_cast<uint8_t*>(out) + index;
    unroll<(N + 3) / 4>([&](auto g) __attribute__((always_inline)) {
      constexpr int first = decltype(g)::value * 4, n = N - first < 4 ? N - first : 4;
      VI q[4];
      unroll<4>([&](auto k) __attribute__((always_inline)) {
        constexpr int from = first + (decltype(k)::value < n ? decltype(k)::value : n - 1);
        const VF f = fma(v[from], cp.scale, cp.bias);
        q[k] = to_int(Bounded ? f : min(top, f));
      });
      store_bytes4<n>(rules, q[0], q[1], q[2], q[3], bytes + first * step, step, m);
    });
  }
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
