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
  bool sum;     ///< 8-bit output of a sum with an 8-bit residual, activations being clamps: finish_sum()
  bool floats;  ///< f32 output, and residual if there is one, with the activations of finish_floats()
  float lo, hi, multiply;
  float last_lo, last_hi;  ///< the second activation's clamp
  int zero;
  ByteRules rules;  ///< zero point and the clamp after rounding, for 8-bit output that is `simple` or a `sum`
};

/// The numbers that an activation lets through, when it is a clamp.
struct Clamp {
  bool is;
  float lo, hi;
};
HONE_INLINE Clamp clamp_of(const Activation& act) {
  if (act.kind == Act::relu) return {true, 0, __builtin_inff()};
  if (act.kind == Act::clip) return {true, act.alpha, act.beta};
  return {act.kind == Act::none, -__builtin_inff(), __builtin_inff()};
}

/// Clamps to [lo, hi], in units of the output's steps, after rounding; an activation range outside of the type's
/// saturates. `zero` is what comes to the rounded numbers.
[[maybe_unused]] ByteRules byte_rules(const Epilogue& e, int zero, float& lo, float& hi) {
  const ByteRange range = byte_range(e.out_type, e.out_zero);
  lo = lo > range.hi ? range.hi : lo > range.lo ? lo : range.lo;
  hi = hi < range.lo ? range.lo : hi < range.hi ? hi : range.hi;
  return {e.out_type == DType::u8, zero, static_cast<int>(__builtin_rintf(lo)) + e.out_zero,
          static_cast<int>(__builtin_rintf(hi)) + e.out_zero};
}

[[maybe_unused]] Post prepare(const Epilogue& e) {
  const Clamp first = clamp_of(e.act), second = clamp_of(e.act2);
  Post p{&e, false, e.out_type != DType::f32, false, false, first.lo, first.hi, 1, second.lo, second.hi,
         e.out_zero, {true, 0, 0, 0}};
  const Act kind = e.act.kind;
  p.floats = !p.bytes && e.grid_scale == 0 && !e.out_factor && (!e.residual || e.residual_type == DType::f32) &&
             (e.residual ? second.is : e.act2.kind == Act::none) &&
             (first.is || kind == Act::swish || kind == Act::sigmoid || kind == Act::gelu || kind == Act::hard_swish);
  p.simple = first.is && !e.residual && e.grid_scale == 0 && e.act2.kind == Act::none && !e.out_factor;
  p.sum = first.is && second.is && e.residual && e.residual_type != DType::f32 && p.bytes && !e.out_factor;
  if (p.simple && p.bytes) {
    p.multiply = e.out_inverse_scale;
    p.lo *= p.multiply, p.hi *= p.multiply;
    p.rules = byte_rules(e, e.out_zero, p.lo, p.hi);
  } else if (p.sum) {
    float lo = second.lo * e.out_inverse_scale, hi = second.hi * e.out_inverse_scale;
    const bool grid = e.grid_scale > 0;
    p.rules = byte_rules(e, grid ? 0 : e.out_zero, lo, hi);  // sums with a grid have the zero point already
    // Accumulators are scaled to steps of the grid, or of the output.
    p.multiply = grid ? e.grid_inverse : e.out_inverse_scale;
    p.lo *= p.multiply, p.hi *= p.multiply;
    if (grid) p.lo = p.lo > e.grid_low ? p.lo : e.grid_low, p.hi = p.hi < e.grid_high ? p.hi : e.grid_high;
  }
  return p;
}

/// The largest number that scale and bias make of accumulators within [-bound, bound], before their start.
[[maybe_unused]] float reach(const Epilogue& e, int64_t channels, float bound) {
  VF most = zero_f();
  for (int64_t c = 0; c < channels; c += kLanes) {
    const Part m(channels - c < kLanes ? static_cast<int>(channels - c) : kLanes);
    const VF scale = e.scale ? load(e.scale + c, m) : set1(1);
    const VF bias = e.bias ? load(e.bias + c, m) : zero_f();
    const VF start = e.start ? abs(to_float(load_i32(e.start + c))) : zero_f();
    const VF far = fma(abs(scale), add(set1(bound), start), abs(bias));
    most = select(less(far, most), most, far);  // keeps NaN
  }
  return max_of(most);
}

/// For accumulators within [-bound, bound]: makes sure that `simple` 8-bit output never leaves the range of the
/// conversion to integers, or else chooses the general way.
[[maybe_unused]] void check_range(Post& p, int64_t channels, float bound) {
  if (!p.simple || !p.bytes || reach(*p.e, channels, bound) * p.multiply < 1e9f) return;
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
  return {
      p.e->scale ? mul(load(p.e->scale + c, m), multiply) : multiply,
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
    const VF scale = set1(e.grid_scale), inverse = set1(e.grid_inverse), lo = set1(e.grid_low),
             hi = set1(e.grid_high);
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

/// What Post::floats stands for, all vectors one step further at a time: act(VF (&)[]) is given.
template <int N, class M, class F>
HONE_INLINE void float_pass(const Post& p, const ChannelPost& cp, const VF* v, float* out, const float* residual,
                            int64_t step, const M& m, F act) {
  if constexpr (N > 8) {
    float_pass<N / 2>(p, cp, v, out, residual, step, m, act);
    const int64_t half = N / 2 * step;
    return float_pass<N - N / 2>(p, cp, v + N / 2, out + half, residual ? residual + half : residual, step, m, act);
  }
  VF f[N];
  unroll<N>(HONE_EACH { f[i] = fma(v[i], cp.scale, cp.bias); });
  act(f);
  if (residual) {
    const VF lo = set1(p.last_lo), hi = set1(p.last_hi);
    unroll<N>(HONE_EACH { f[i] = min(hi, max(lo, add(f[i], load(residual + i * step, m)))); });
  }
  unroll<N>(HONE_EACH { store(out + i * step, f[i], m); });
}

template <int N, class M>
HONE_NOINLINE void finish_floats(const Post& p, const ChannelPost& cp, const VF* v, float* out, const float* residual,
                                 int64_t step, const M& m) {
  const auto pass = [&](auto act) __attribute__((always_inline)) {
    float_pass<N>(p, cp, v, out, residual, step, m, act);
  };
  switch (p.e->act.kind) {
    case Act::swish:
      return pass([&](auto& f) __attribute__((always_inline)) {
        constexpr int n = sizeof f / sizeof f[0];
        const VF a = set1(p.e->act.alpha);
        VF s[n];
        unroll<n>(HONE_EACH { s[i] = mul(f[i], a); });
        sigmoids(s);
        unroll<n>(HONE_EACH { f[i] = mul(f[i], s[i]); });
      });
    case Act::sigmoid: return pass([&](auto& f) __attribute__((always_inline)) { sigmoids(f); });
    case Act::gelu: return pass([&](auto& f) __attribute__((always_inline)) { gelus(f); });
    case Act::hard_swish:
      return pass([&](auto& f) __attribute__((always_inline)) {
        const VF one = set1(1);
        for (VF& x : f) x = hard_swish(x, one);
      });
    default:
      return pass([&](auto& f) __attribute__((always_inline)) {
        const VF lo = set1(p.lo), hi = set1(p.hi);
        for (VF& x : f) x = min(hi, max(lo, x));
      });
  }
}

/// What a sum does with the accumulators before the residual is added, and, with a grid, which operand is the first.
enum class Before { nothing, clamp, grid, grid_behind };
/// f(Index<Before>) for the sums of a Post; `nothing` where there is nothing to clamp and the caller can do without.
template <class F>
HONE_INLINE void with_before(const Epilogue& e, bool may_be_nothing, F f) {
  if (e.grid_scale > 0 && e.residual_first) f(Index<static_cast<int>(Before::grid_behind)>{});
  else if (e.grid_scale > 0) f(Index<static_cast<int>(Before::grid)>{});
  else if (may_be_nothing && e.act.kind == Act::none) f(Index<static_cast<int>(Before::nothing)>{});
  else f(Index<static_cast<int>(Before::clamp)>{});
}

/// The numbers of a sum with an 8-bit residual (Post::sum) in registers.
struct SumPost {
  VF lo, hi, top, zero, to_out, other, shift;
  ByteRules rules;
  explicit HONE_INLINE SumPost(const Post& p)
      : lo(set1(p.lo)),
        hi(set1(p.hi)),
        top(set1(1e9f)),
        zero(set1(static_cast<float>(p.e->grid_zero))),
        to_out(set1(p.e->grid_scale * p.e->out_inverse_scale)),
        other(set1(p.e->residual_scale * p.e->out_inverse_scale)),
        shift(set1(p.e->grid_scale > 0 ? zeros(*p.e) : -other_of(*p.e) * static_cast<float>(p.e->residual_zero))),
        rules(p.rules) {}

  /// v is scaled and has its bias (and, with Before::nothing, the shift); r is the stored residual.
  template <Before B>
  HONE_INLINE VF sum(VF v, VF r) const {
    if constexpr (B == Before::nothing) return fma(r, other, v);
    const VF inside = min(max(v, lo), hi);
    if constexpr (B == Before::clamp) return add(inside, fma(r, other, shift));
    const VF stored = add(round_even(inside), zero);
    if constexpr (B == Before::grid) return fma(stored, to_out, fma(r, other, shift));
    return fma(r, other, fma(stored, to_out, shift));
  }

 private:
  static HONE_INLINE float other_of(const Epilogue& e) { return e.residual_scale * e.out_inverse_scale; }
  /// All that does not depend on the operands of a sum with a grid (see Epilogue), in this order.
  static HONE_INLINE float zeros(const Epilogue& e) {
    const float grid = e.grid_scale * e.out_inverse_scale, other = other_of(e);
    const float grid_zero = static_cast<float>(e.grid_zero), other_zero = static_cast<float>(e.residual_zero);
    const float second = e.residual_first ? grid * grid_zero : other * other_zero;
    const float both = e.residual_first ? __builtin_fmaf(other, other_zero, second)
                                        : __builtin_fmaf(grid, grid_zero, second);
    return static_cast<float>(e.out_zero) - both;
  }
};

/// n vectors of one channel block; vector k goes to out[k * step].
template <Before B, bool Signed, class M>
HONE_INLINE void finish_sum(const SumPost& p, const ChannelPost& cp, const VF* v, int n, uint8_t* out,
                            const uint8_t* residual, int64_t step, const M& m) {
  for (; n > 0; n -= 4, v += 4, out += 4 * step, residual += 4 * step) {
    VI q[4];
    unroll<4>([&](auto k) __attribute__((always_inline)) {
      const int from = decltype(k)::value < n ? decltype(k)::value : 0;
      const auto bytes = load_bytes(residual + from * step, m);
      const VF r = to_float(Signed ? widen_i8(bytes) : widen_u8(bytes));
      const VF f = p.sum<B>(fma(v[from], cp.scale, cp.bias), r);
      // Steps of the grid are few; what is not rounded to one may be too large for an integer.
      q[k] = to_int(B == Before::clamp ? min(p.top, f) : f);
    });
    switch (n) {
      case 1: store_bytes4<1>(p.rules, q[0], q[1], q[2], q[3], out, step, m); break;
      case 2: store_bytes4<2>(p.rules, q[0], q[1], q[2], q[3], out, step, m); break;
      case 3: store_bytes4<3>(p.rules, q[0], q[1], q[2], q[3], out, step, m); break;
      default: store_bytes4<4>(p.rules, q[0], q[1], q[2], q[3], out, step, m);
    }
  }
}

/// The same from accumulators of any kernel.
template <class M>
HONE_NOINLINE void finish_sum_vectors(const Post& post, const ChannelPost& cp, const VF* v, int n, void* y,
                                      int64_t index, int64_t step, const M& m) {
  const SumPost p(post);
  auto* out = static_cast<uint8_t*>(y) + index;
  const auto* residual = static_cast<const uint8_t*>(post.e->residual) + index;
  with_before(*post.e, false, [&](auto kind) __attribute__((always_inline)) {
    constexpr Before B = static_cast<Before>(decltype(kind)::value);
    if (post.e->residual_type == DType::i8) finish_sum<B, true>(p, cp, v, n, out, residual, step, m);
    else finish_sum<B, false>(p, cp, v, n, out, residual, step, m);
  });
}

/// A tile of n pixels by `channels` channels from `channel` on: v[vector of channels * n + pixel]; pixel k goes to
/// y[index + k * step], index being that of the first channel.
template <Before B, bool Signed>
HONE_NOINLINE void finish_sum_tile(const Post& post, int64_t channel, int channels, const VF* v, int n, void* y,
                                   int64_t index, int64_t step) {
  const SumPost p(post);
  auto* out = static_cast<uint8_t*>(y) + index;
  const auto* residual = static_cast<const uint8_t*>(post.e->residual) + index;
  for (; channels >= kLanes; channels -= kLanes, channel += kLanes, v += n, out += kLanes, residual += kLanes)
    finish_sum<B, Signed>(p, load_post(post, channel, Full{}), v, n, out, residual, step, Full{});
  if (channels == 0) return;
  const Part m(channels);
  finish_sum<B, Signed>(p, load_post(post, channel, m), v, n, out, residual, step, m);
}
HONE_INLINE void finish_sums(const Post& post, int64_t channel, int channels, const VF* v, int n, void* y,
                             int64_t index, int64_t step) {
  with_before(*post.e, false, [&](auto kind) __attribute__((always_inline)) {
    constexpr Before B = static_cast<Before>(decltype(kind)::value);
    const auto f = post.e->residual_type == DType::i8 ? finish_sum_tile<B, true> : finish_sum_tile<B, false>;
    f(post, channel, channels, v, n, y, index, step);
  });
}

/// Epilogue and store of N vectors of accumulators that are `simple`; vector k goes to out[index + k * step]. Bounded:
/// check_range was called.
template <int N, bool Bounded = false, class M>
HONE_INLINE void finish_simple(const Post& p, const ChannelPost& cp, const VF (&v)[N], void* out, int64_t index,
                               int64_t step, const M& m) {
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

/// The same for those that are not; v is overwritten.
template <int N, class M>
HONE_INLINE void finish_other(const Post& p, const ChannelPost& cp, VF* v, void* out, int64_t index, int64_t step,
                              const M& m) {
  if (p.floats)
    return finish_floats<N>(p, cp, v, static_cast<float*>(out) + index,
                            p.e->residual ? static_cast<const float*>(p.e->residual) + index : nullptr, step, m);
  if (p.sum) return finish_sum_vectors(p, cp, v, N, out, index, step, m);
  finish_any(*p.e, cp, v, N, out, index, step, m);
}

/// Any N vectors of accumulators of one channel block.
template <int N, bool Bounded = false, class M>
HONE_INLINE void finish(const Post& p, const ChannelPost& cp, const VF (&v)[N], void* out, int64_t index, int64_t step,
                        const M& m) {
  if (p.simple) return finish_simple<N, Bounded>(p, cp, v, out, index, step, m);
  // Copies are what goes to memory: the accumulators themselves stay in registers.
  const ChannelPost kept = cp;
  VF copy[N];
  unroll<N>(HONE_EACH { copy[i] = v[i]; });
  finish_other<N>(p, kept, copy, out, index, step, m);
}

/// What is not `simple` of several neighboring vectors of channels, `channels` of them from `channel` on:
/// v[vector * N + k], overwritten, goes to y[index + vector * kLanes + k * step].
template <int N>
HONE_NOINLINE void finish_others(const Post& p, int64_t channel, int channels, VF* v, void* y, int64_t index,
                                 int64_t step) {
  if (p.sum) return finish_sums(p, channel, channels, v, N, y, index, step);
  for (; channels >= kLanes; channels -= kLanes, channel += kLanes, index += kLanes, v += N)
    finish_other<N>(p, load_post(p, channel, Full{}), v, y, index, step, Full{});
  if (channels == 0) return;
  const Part m(channels);
  finish_other<N>(p, load_post(p, channel, m), v, y, index, step, m);
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
