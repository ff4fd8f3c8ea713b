#pragma once
// 8-bit results of a tile of convolution, whole pixels at a time: the vectors of neighboring channels are packed into
// one and stored together, which takes a third of the instructions of storing each by itself. AVX-512 only.
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

/// For accumulators within [-bound, bound]: no number on the way to 8-bit output of this kind leaves the range of the
/// conversion to integers.
[[maybe_unused]] bool stays_small(const Post& p, int64_t channels, float bound) {
  if (!p.bytes || !(p.simple || p.sum)) return false;
  const float other =
      p.sum ? 512 * __builtin_fabsf(p.e->residual_scale) + __builtin_fabsf(p.e->grid_scale) * 512 : 0;
  const float out = reach(*p.e, channels, bound) + other;
  return out * p.multiply < 1e9f && out * p.e->out_inverse_scale < 1e9f;
}

#if defined(__AVX512BW__)
constexpr bool kByteRows = true;

/// The first of `channels` channels of a pixel, at most 4 vectors.
HONE_INLINE Part vector_part(int channels, int v) {
  const int left = channels - v * kLanes;
  return Part(left < kLanes ? left : kLanes);
}

/// Packs vectors of whole numbers to the output type, and stores a pixel's side by side.
struct RowStore {
  ByteRules rules;
  __m512i order;
  __mmask64 mask;
  int channels;
  HONE_INLINE RowStore(const ByteRules& r, int count)
      : rules(r),
        order(_mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0)),
        mask(count >= 64 ? ~0ull : (1ull << count) - 1),
        channels(count) {}

  HONE_INLINE __m512i pack(VI a, VI b, VI c, VI d) const {
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), rules.zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), rules.zero);
    const __m512i v = _mm512_max_epi8(_mm512_min_epi8(_mm512_packs_epi16(low, high), rules.hi), rules.lo);
    return _mm512_permutexvar_epi32(order, _mm512_xor_si512(v, rules.flip));
  }

  /// P pixels of V vectors: q[pixel * V + vector].
  template <int P, int V>
  HONE_INLINE void put(const VI* q, uint8_t* out, int64_t step) const {
    if constexpr (V >= 3) {
      unroll<P>([&](auto p) __attribute__((always_inline)) {
        const VI* x = q + p * V;
        const __m512i v = pack(x[0], x[1], x[2], x[V - 1]);
        if (V == 4 && channels >= 64) _mm512_storeu_si512(out + p * step, v);
        else _mm512_mask_storeu_epi8(out + p * step, mask, v);
      });
    } else if constexpr (V == 2) {
      unroll<(P + 1) / 2>([&](auto pair) __attribute__((always_inline)) {
        constexpr int p = decltype(pair)::value * 2, other = p + 1 < P ? p + 1 : p;
        const __m512i v = pack(q[p * 2], q[p * 2 + 1], q[other * 2], q[other * 2 + 1]);
        put_half(out + p * step, _mm512_castsi512_si256(v));
        if constexpr (other > p) put_half(out + other * step, _mm512_extracti64x4_epi64(v, 1));
      });
    } else {
      unroll<(P + 3) / 4>([&](auto g) __attribute__((always_inline)) {
        constexpr int p = decltype(g)::value * 4, n = P - p < 4 ? P - p : 4;
        const VI *a = q + p, *b = q + p + (n > 1), *c = q + p + (n > 2 ? 2 : 0), *d = q + p + (n > 3 ? 3 : 0);
        const __m512i v = pack(*a, *b, *c, *d);
        put_quarter(out + p * step, _mm512_castsi512_si128(v));
        if constexpr (n > 1) put_quarter(out + (p + 1) * step, _mm512_extracti32x4_epi32(v, 1));
        if constexpr (n > 2) put_quarter(out + (p + 2) * step, _mm512_extracti32x4_epi32(v, 2));
        if constexpr (n > 3) put_quarter(out + (p + 3) * step, _mm512_extracti32x4_epi32(v, 3));
      });
    }
  }

 private:
  HONE_INLINE void put_half(uint8_t* out, __m256i v) const {
    if (channels >= 32) _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
    else _mm256_mask_storeu_epi8(out, static_cast<__mmask32>(mask), v);
  }
  HONE_INLINE void put_quarter(uint8_t* out, __m128i v) const {
    if (channels >= 16) _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v);
    else _mm_mask_storeu_epi8(out, static_cast<__mmask16>(mask), v);
  }
};

/// A `simple` epilogue of a tile that stays_small(): acc[pixel * V + vector].
template <int P, int V>
HONE_INLINE void finish_rows(const Post& post, int64_t channel, int channels, int64_t out_channels, void* y,
                             int64_t pixel, VI (&acc)[P * V]) {
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const ChannelPost cp = load_post(post, channel + v * kLanes, vector_part(channels, v));
    unroll<P>(HONE_EACH { acc[i * V + v] = to_int(fma(to_float(acc[i * V + v]), cp.scale, cp.bias)); });
  });
  const RowStore rows(post.rules, channels);
  rows.template put<P, V>(acc, static_cast<uint8_t*>(y) + pixel * out_channels + channel, out_channels);
}

/// Pixels of a `sum` that stays_small(), one after the other, V vectors each.
template <int V, Before B, bool Signed>
HONE_NOINLINE void finish_sum_rows(const Post& post, int64_t channel, int channels, const VI* acc, int pixels,
                                   int64_t index, int64_t step, void* y) {
  const SumPost p(post);
  const RowStore rows(post.rules, channels);
  ChannelPost cp[V];
  unroll<V>(HONE_EACH {
    cp[i] = load_post(post, channel + i * kLanes, vector_part(channels, i));
    if (B == Before::nothing) cp[i].bias = add(cp[i].bias, p.shift);
  });
  const auto* residual = static_cast<const uint8_t*>(post.e->residual) + index;
  uint8_t* out = static_cast<uint8_t*>(y) + index;
  const bool whole = channels == V * kLanes;
  for (; pixels > 0; --pixels, acc += V, residual += step, out += step) {
    VI q[V];
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      const auto bytes = whole ? load_bytes(residual + v * kLanes)
                               : load_bytes(residual + v * kLanes, vector_part(channels, v));
      const VF r = to_float(Signed ? widen_i8(bytes) : widen_u8(bytes));
      q[v] = to_int(p.sum<B>(fma(to_float(acc[v]), cp[v].scale, cp[v].bias), r));
    });
    rows.template put<1, V>(q, out, step);
  }
}

template <int V>
HONE_INLINE void finish_sums_of(const Post& post, int64_t channel, int channels, const VI* acc, int pixels,
                                int64_t index, int64_t step, void* y) {
  with_before(*post.e, true, [&](auto kind) __attribute__((always_inline)) {
    constexpr Before B = static_cast<Before>(decltype(kind)::value);
    const auto f = post.e->residual_type == DType::i8 ? finish_sum_rows<V, B, true> : finish_sum_rows<V, B, false>;
    f(post, channel, channels, acc, pixels, index, step, y);
  });
}
#else
constexpr bool kByteRows = false;
#endif

}  // namespace
}  // namespace hone::kernels::HONE_ISA
