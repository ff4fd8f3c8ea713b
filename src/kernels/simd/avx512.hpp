#pragma once
// 16 lanes of AVX-512; with VNNI where the unit is compiled for it. Included only by units of that instruction set:
// everything is in an unnamed namespace, so that no other unit can pick up this code.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef HONE_ISA
#define HONE_ISA avx512
#endif
#define HONE_INLINE inline __attribute__((always_inline))
#define HONE_NOINLINE __attribute__((noinline))

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kLanes = 16;
constexpr bool kFused = true;  ///< fma() rounds once
constexpr int kTileMax = 7;  ///< output columns whose accumulators fit the registers; divides 7, 14, 28, 56, 112
using VF = __m512;
using VI = __m512i;
using VM = __mmask16;

/// All lanes, or the first `n` of them (tails).
struct Full {
  static constexpr int n = kLanes;
};
struct Part {
  int n;
  __mmask16 mask;
  explicit Part(int count) : n(count), mask(static_cast<__mmask16>((1u << count) - 1)) {}
};

HONE_INLINE VF zero_f() { return _mm512_setzero_ps(); }
HONE_INLINE VF set1(float v) { return _mm512_set1_ps(v); }
HONE_INLINE VI set1i(int v) { return _mm512_set1_epi32(v); }
HONE_INLINE VF load(const float* p, Full = {}) { return _mm512_loadu_ps(p); }
HONE_INLINE VF load(const float* p, Part m) { return _mm512_maskz_loadu_ps(m.mask, p); }
HONE_INLINE void store(float* p, VF v, Full = {}) { _mm512_storeu_ps(p, v); }
HONE_INLINE void store(float* p, VF v, Part m) { _mm512_mask_storeu_ps(p, m.mask, v); }
/// Past the caches, to an aligned address; finish_stream() before others may read it.
HONE_INLINE void stream(float* p, VF v) { _mm512_stream_ps(p, v); }
HONE_INLINE void finish_stream() { _mm_sfence(); }
HONE_INLINE VI load_i32(const int32_t* p) { return _mm512_loadu_si512(p); }
/// p[index[0]], p[index[1]] ...
HONE_INLINE VF gather(const float* p, const int32_t* index, Full = {}) {
  return _mm512_i32gather_ps(_mm512_loadu_si512(index), p, 4);
}
HONE_INLINE VF gather(const float* p, const int32_t* index, Part m) {
  return _mm512_mask_i32gather_ps(zero_f(), m.mask, _mm512_maskz_loadu_epi32(m.mask, index), p, 4);
}
HONE_INLINE __m128i load_bytes(const void* p, Full = {}) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
HONE_INLINE __m128i load_bytes(const void* p, Part m) { return _mm_maskz_loadu_epi8(m.mask, p); }
HONE_INLINE VI widen_u8(__m128i b) { return _mm512_cvtepu8_epi32(b); }
HONE_INLINE VI widen_i8(__m128i b) { return _mm512_cvtepi8_epi32(b); }
/// Stores the low byte of every lane.
HONE_INLINE void store_bytes(void* p, VI v, Full = {}) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
}
HONE_INLINE void store_bytes(void* p, VI v, Part m) { _mm_mask_storeu_epi8(p, m.mask, _mm512_cvtepi32_epi8(v)); }

/// Four vectors of i32 to 8 bits: saturate(q[k] + zero) held to [lo, hi], stored at p + k * step for k < n.
struct ByteRules {
  __m512i zero, lo, hi, flip;
  /// Values are handled as i8; u8 is i8 with the sign bit flipped.
  ByteRules(bool is_u8, int zero_point, int low, int high)
      : zero(_mm512_set1_epi16(static_cast<int16_t>(is_u8 ? zero_point - 128 : zero_point))),
        lo(_mm512_set1_epi8(static_cast<char>(is_u8 ? low - 128 : low))),
        hi(_mm512_set1_epi8(static_cast<char>(is_u8 ? high - 128 : high))),
        flip(_mm512_set1_epi8(static_cast<char>(is_u8 ? 0x80 : 0))) {}
};
HONE_INLINE void store_part(uint8_t* p, __m128i v, Full) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
HONE_INLINE void store_part(uint8_t* p, __m128i v, Part m) { _mm_mask_storeu_epi8(p, m.mask, v); }
template <int N, class M>
HONE_INLINE void store_bytes4(const ByteRules& r, VI a, VI b, VI c, VI d, uint8_t* p, int64_t step, M m) {
  __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), r.zero);
  __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), r.zero);
  __m512i v = _mm512_max_epi8(_mm512_min_epi8(_mm512_packs_epi16(low, high), r.hi), r.lo);
  v = _mm512_xor_si512(v, r.flip);
  v = _mm512_permutexvar_epi32(_mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0), v);
  store_part(p, _mm512_castsi512_si128(v), m);
  if constexpr (N > 1) store_part(p + step, _mm512_extracti32x4_epi32(v, 1), m);
  if constexpr (N > 2) store_part(p + 2 * step, _mm512_extracti32x4_epi32(v, 2), m);
  if constexpr (N > 3) store_part(p + 3 * step, _mm512_extracti32x4_epi32(v, 3), m);
}
/// p[0..3] in each four lanes.
HONE_INLINE VF load_four(const float* p) { return _mm512_broadcast_f32x4(_mm_loadu_ps(p)); }
/// In each four lanes: the sums of a's, c's, b's and d's four. Blends are cheaper than shuffles.
HONE_INLINE VF sums_of_four(VF a, VF b, VF c, VF d) {
  const VF ab = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps(a, b, 0x4e));
  const VF cd = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, c, d), _mm512_shuffle_ps(c, d, 0x4e));
  const VF odd = _mm512_permute_ps(_mm512_mask_blend_ps(0x5555, ab, cd), 0xb1);
  return _mm512_add_ps(_mm512_mask_blend_ps(0xaaaa, ab, cd), odd);
}
HONE_INLINE VF permuted(VF v, VI lanes) { return _mm512_permutexvar_ps(lanes, v); }
/// Hides where a value came from: the compiler would otherwise load it once more for every use.
HONE_INLINE VF keep(VF v) {
  asm("" : "+v"(v));
  return v;
}

HONE_INLINE VF add(VF a, VF b) { return _mm512_add_ps(a, b); }
HONE_INLINE VF sub(VF a, VF b) { return _mm512_sub_ps(a, b); }
HONE_INLINE VF mul(VF a, VF b) { return _mm512_mul_ps(a, b); }
HONE_INLINE VF div(VF a, VF b) { return _mm512_div_ps(a, b); }
HONE_INLINE VF square_root(VF a) { return _mm512_sqrt_ps(a); }
HONE_INLINE VF fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }
HONE_INLINE VF fnma(VF a, VF b, VF c) { return _mm512_fnmadd_ps(a, b, c); }
/// a > b ? a : b, hence b where one is NaN; min alike.
HONE_INLINE VF max(VF a, VF b) { return _mm512_max_ps(a, b); }
HONE_INLINE VF min(VF a, VF b) { return _mm512_min_ps(a, b); }
HONE_INLINE VF round_even(VF a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
HONE_INLINE VI to_int(VF a) { return _mm512_cvtps_epi32(a); }  ///< rounds to even
HONE_INLINE VF to_float(VI a) { return _mm512_cvtepi32_ps(a); }
HONE_INLINE VI add(VI a, VI b) { return _mm512_add_epi32(a, b); }
HONE_INLINE VI sub(VI a, VI b) { return _mm512_sub_epi32(a, b); }
HONE_INLINE VI max(VI a, VI b) { return _mm512_max_epi32(a, b); }
HONE_INLINE VI min(VI a, VI b) { return _mm512_min_epi32(a, b); }
template <int N> HONE_INLINE VI shift_left(VI a) { return _mm512_slli_epi32(a, N); }
HONE_INLINE VI as_int(VF a) { return _mm512_castps_si512(a); }
HONE_INLINE VF as_float(VI a) { return _mm512_castsi512_ps(a); }
HONE_INLINE VF and_(VF a, VF b) { return _mm512_and_ps(a, b); }
HONE_INLINE VF or_(VF a, VF b) { return _mm512_or_ps(a, b); }
HONE_INLINE VM less(VF a, VF b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
HONE_INLINE VF select(VM m, VF yes, VF no) { return _mm512_mask_blend_ps(m, no, yes); }
HONE_INLINE float sum(VF a) { return _mm512_reduce_add_ps(a); }
HONE_INLINE float max_of(VF a) { return _mm512_reduce_max_ps(a); }

/// The bytes of one column in four rows, for the channels of a vector; and dot4, their product with packed weights.
/// load_group makes them for a group of four vectors at once: 64 channels, of which the first n exist. `flip` is
/// exclusive-ored to every byte.
constexpr int kGroup = 4 * kLanes;

/// Four rows such that unpacking within 128-bit lanes puts channels in order.
struct GroupRows {
  __m512i a, b, c, d;
  GroupRows(const uint8_t* const (&row)[4], int n, VI flip) {
    const __mmask64 mask = n >= kGroup ? ~0ull : (1ull << n) - 1;
    a = in_order(row[0], mask, flip);
    b = in_order(row[1], mask, flip);
    c = in_order(row[2], mask, flip);
    d = in_order(row[3], mask, flip);
  }
  static HONE_INLINE __m512i in_order(const uint8_t* p, __mmask64 mask, VI flip) {
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_xor_si512(_mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi8(mask, p)), flip);
  }
};
#if defined(__AVX512VNNI__)
struct Taps {
  VI bytes;
};
/// A copy member by member: the compiler copies a struct in 16-byte pieces, which a vector load cannot forward.
HONE_INLINE Taps copy_of(const Taps& x) { return {x.bytes}; }
constexpr int kTapBytes = 4;  ///< of packed weights for the four taps of a channel

/// x[0], x[stride], x[2 stride], x[3 stride] become the taps of the group's vectors.
HONE_INLINE void load_group(const uint8_t* const (&row)[4], int n, VI flip, Taps* x, int stride) {
  const GroupRows r(row, n, flip);
  const __m512i low_ab = _mm512_unpacklo_epi8(r.a, r.b), high_ab = _mm512_unpackhi_epi8(r.a, r.b);
  const __m512i low_cd = _mm512_unpacklo_epi8(r.c, r.d), high_cd = _mm512_unpackhi_epi8(r.c, r.d);
  x[0].bytes = _mm512_unpacklo_epi16(low_ab, low_cd);
  x[stride].bytes = _mm512_unpackhi_epi16(low_ab, low_cd);
  x[2 * stride].bytes = _mm512_unpacklo_epi16(high_ab, high_cd);
  x[3 * stride].bytes = _mm512_unpackhi_epi16(high_ab, high_cd);
}
/// The first vector only: n channels, at most kLanes.
HONE_INLINE void load_narrow(const uint8_t* const (&row)[4], int n, VI flip, Taps* x) {
  const Part m(n);
  __m512i v = _mm512_castsi128_si512(load_bytes(row[0], m));
  v = _mm512_inserti32x4(v, load_bytes(row[1], m), 1);
  v = _mm512_inserti32x4(v, load_bytes(row[2], m), 2);
  v = _mm512_inserti32x4(v, load_bytes(row[3], m), 3);
  v = _mm512_permutexvar_epi32(_mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0), v);
  // The same transposition of 4 x 4 in every 128-bit lane: bytes 0 4 8 12, 1 5 9 13, ...
  const __m512i turn = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
  x->bytes = _mm512_xor_si512(_mm512_shuffle_epi8(v, turn), flip);
}
/// Taps that are all `byte`, after the flip.
HONE_INLINE Taps splat_taps(int byte) { return {_mm512_set1_epi8(static_cast<char>(byte))}; }
/// The same four bytes, neighbors in memory, for every lane: byte i meets the weights that were put at tap_of[i].
HONE_INLINE Taps splat_four(const uint8_t* p, VI flip) {
  int four;
  __builtin_memcpy(&four, p, 4);
  return {_mm512_xor_si512(_mm512_set1_epi32(four), flip)};
}
constexpr int tap_of[4] = {0, 1, 2, 3};
struct TapWeights {
  VI w;
};
HONE_INLINE TapWeights load_weights(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
HONE_INLINE VI dot4(VI acc, const Taps& x, const TapWeights& w) { return _mm512_dpbusd_epi32(acc, x.bytes, w.w); }
inline void put_weight(uint8_t* packed, int lane, int tap, int8_t w) {
  packed[lane * 4 + tap] = static_cast<uint8_t>(w);
}
#else
struct Taps {
  VI low, high;  ///< 16-bit pairs: rows 0 and 1, rows 2 and 3
};
HONE_INLINE Taps copy_of(const Taps& x) { return {x.low, x.high}; }
constexpr int kTapBytes = 8;

HONE_INLINE void load_group(const uint8_t* const (&row)[4], int n, VI flip, Taps* x, int stride) {
  const GroupRows r(row, n, flip);
  const __m512i zero = _mm512_setzero_si512();
  const __m512i low_ab = _mm512_unpacklo_epi8(r.a, r.b), high_ab = _mm512_unpackhi_epi8(r.a, r.b);
  const __m512i low_cd = _mm512_unpacklo_epi8(r.c, r.d), high_cd = _mm512_unpackhi_epi8(r.c, r.d);
  x[0] = {_mm512_unpacklo_epi8(low_ab, zero), _mm512_unpacklo_epi8(low_cd, zero)};
  x[stride] = {_mm512_unpackhi_epi8(low_ab, zero), _mm512_unpackhi_epi8(low_cd, zero)};
  x[2 * stride] = {_mm512_unpacklo_epi8(high_ab, zero), _mm512_unpacklo_epi8(high_cd, zero)};
  x[3 * stride] = {_mm512_unpackhi_epi8(high_ab, zero), _mm512_unpackhi_epi8(high_cd, zero)};
}
HONE_INLINE void load_narrow(const uint8_t* const (&row)[4], int n, VI flip, Taps* x) {
  const Part m(n);
  const auto pairs = [&](const uint8_t* p, const uint8_t* q) __attribute__((always_inline)) {
    const __m128i a = load_bytes(p, m), b = load_bytes(q, m);
    const __m256i both =
        _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi8(a, b)), _mm_unpackhi_epi8(a, b), 1);
    return _mm512_cvtepu8_epi16(_mm256_xor_si256(both, _mm512_castsi512_si256(flip)));
  };
  *x = {pairs(row[0], row[1]), pairs(row[2], row[3])};
}
HONE_INLINE Taps splat_taps(int byte) {
  const VI words = _mm512_set1_epi16(static_cast<int16_t>(byte & 0xff));
  return {words, words};
}
HONE_INLINE Taps splat_four(const uint8_t* p, VI flip) {
  int four;
  __builtin_memcpy(&four, p, 4);
  const VI x = _mm512_xor_si512(_mm512_set1_epi32(four), flip);
  return {_mm512_and_si512(x, _mm512_set1_epi32(0x00ff00ff)), _mm512_srli_epi16(x, 8)};
}
constexpr int tap_of[4] = {0, 2, 1, 3};
struct TapWeights {
  VI low, high;
};
HONE_INLINE TapWeights load_weights(const uint8_t* p) { return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 64)}; }
HONE_INLINE VI dot4(VI acc, const Taps& x, const TapWeights& w) {
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(x.low, w.low));
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(x.high, w.high));
  asm("" : "+v"(acc));  // keeps the compiler from adding in another order, which takes more registers
  return acc;
}
inline void put_weight(uint8_t* packed, int lane, int tap, int8_t w) {
  int16_t wide = w;
  __builtin_memcpy(packed + (tap / 2) * 64 + lane * 4 + (tap % 2) * 2, &wide, 2);
}
#endif

/// Bytes without widening. Every lane's byte is compared unsigned; i8 data are compared after `flip_sign`.
using VB = __m512i;
constexpr int kByteLanes = 64;
HONE_INLINE VB load_vb(const uint8_t* p, int n) {
  return _mm512_maskz_loadu_epi8(n >= 64 ? ~0ull : (1ull << n) - 1, p);
}
HONE_INLINE void store_vb(uint8_t* p, VB v, int n) {
  if (n >= 64)
    _mm512_storeu_si512(p, v);
  else
    _mm512_mask_storeu_epi8(p, (1ull << n) - 1, v);
}
HONE_INLINE VB max_u8(VB a, VB b) { return _mm512_max_epu8(a, b); }
HONE_INLINE VB flip_sign(VB a) { return _mm512_xor_si512(a, _mm512_set1_epi8(-128)); }

/// y[i] = table[x[i]] for whole vectors from `begin`; returns where it stopped.
inline int64_t lookup_blocks(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  __m512i part[16];
  for (int k = 0; k < 16; ++k)
    part[k] = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
  for (; begin + 64 <= end; begin += 64) {
    const __m512i v = _mm512_loadu_si512(x + begin);
    __m512i found = _mm512_setzero_si512();
    for (int k = 0; k < 16; ++k) {
      // Within part k, the index's low nibble with bit 7 clear; elsewhere bit 7 is set and the shuffle gives 0.
      const __m512i index = _mm512_adds_epu8(_mm512_xor_si512(v, _mm512_set1_epi8(static_cast<char>(k << 4))),
                                             _mm512_set1_epi8(0x70));
      found = _mm512_or_si512(found, _mm512_shuffle_epi8(part[k], index));
    }
    _mm512_storeu_si512(y + begin, found);
  }
  return begin;
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
