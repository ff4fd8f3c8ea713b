#pragma once
// 8 lanes of AVX2 and FMA; the counterpart of simd/avx512.hpp, where the functions are described.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define HONE_ISA avx2
#define HONE_INLINE inline __attribute__((always_inline))
#define HONE_NOINLINE __attribute__((noinline))

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kLanes = 8;
constexpr bool kFused = true;
constexpr int kTileMax = 4;
using VF = __m256;
using VI = __m256i;
using VM = __m256;

struct Full {
  static constexpr int n = kLanes;
};
struct Part {
  int n;
  __m256i mask;
  explicit Part(int count)
      : n(count), mask(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0))) {}
};

HONE_INLINE VF zero_f() { return _mm256_setzero_ps(); }
HONE_INLINE VF set1(float v) { return _mm256_set1_ps(v); }
HONE_INLINE VI set1i(int v) { return _mm256_set1_epi32(v); }
HONE_INLINE VF load(const float* p, Full = {}) { return _mm256_loadu_ps(p); }
HONE_INLINE VF load(const float* p, const Part& m) { return _mm256_maskload_ps(p, m.mask); }
HONE_INLINE void store(float* p, VF v, Full = {}) { _mm256_storeu_ps(p, v); }
HONE_INLINE void store(float* p, VF v, const Part& m) { _mm256_maskstore_ps(p, m.mask, v); }
/// Past the caches, to an aligned address; finish_stream() before others may read it.
HONE_INLINE void stream(float* p, VF v) { _mm256_stream_ps(p, v); }
HONE_INLINE void finish_stream() { _mm_sfence(); }
HONE_INLINE VI load_i32(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
HONE_INLINE VF gather(const float* p, const int32_t* index, Full = {}) {
  return _mm256_i32gather_ps(p, load_i32(index), 4);
}
HONE_INLINE VF gather(const float* p, const int32_t* index, const Part& m) {
  return _mm256_mask_i32gather_ps(zero_f(), p, _mm256_maskload_epi32(index, m.mask), _mm256_castsi256_ps(m.mask), 4);
}
HONE_INLINE __m128i load_bytes(const void* p, Full = {}) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
HONE_INLINE __m128i load_bytes(const void* p, const Part& m) {
  if (m.n == kLanes) return load_bytes(p, Full{});
  uint64_t bits = 0;
  for (int i = m.n; i-- > 0;) bits = bits << 8 | static_cast<const uint8_t*>(p)[i];
  return _mm_cvtsi64_si128(static_cast<int64_t>(bits));
}
HONE_INLINE VI widen_u8(__m128i b) { return _mm256_cvtepu8_epi32(b); }
HONE_INLINE VI widen_i8(__m128i b) { return _mm256_cvtepi8_epi32(b); }
HONE_INLINE __m128i low_bytes(VI v) {
  const __m128i pick = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0);
  return _mm_unpacklo_epi32(_mm_shuffle_epi8(_mm256_castsi256_si128(v), pick),
                            _mm_shuffle_epi8(_mm256_extracti128_si256(v, 1), pick));
}
HONE_INLINE void store_part(uint8_t* p, __m128i v, Full) { _mm_storel_epi64(reinterpret_cast<__m128i*>(p), v); }
HONE_INLINE void store_part(uint8_t* p, __m128i v, const Part& m) {
  uint64_t bits = static_cast<uint64_t>(_mm_cvtsi128_si64(v));
  for (int i = 0; i < m.n; ++i, bits >>= 8) p[i] = static_cast<uint8_t>(bits);
}
template <class M = Full>
HONE_INLINE void store_bytes(void* p, VI v, const M& m = {}) {
  store_part(static_cast<uint8_t*>(p), low_bytes(v), m);
}

struct ByteRules {
  __m256i zero, lo, hi, flip;
  ByteRules(bool is_u8, int zero_point, int low, int high)
      : zero(_mm256_set1_epi16(static_cast<int16_t>(is_u8 ? zero_point - 128 : zero_point))),
        lo(_mm256_set1_epi8(static_cast<char>(is_u8 ? low - 128 : low))),
        hi(_mm256_set1_epi8(static_cast<char>(is_u8 ? high - 128 : high))),
        flip(_mm256_set1_epi8(static_cast<char>(is_u8 ? 0x80 : 0))) {}
};
template <int N, class M>
HONE_INLINE void store_bytes4(const ByteRules& r, VI a, VI b, VI c, VI d, uint8_t* p, int64_t step, const M& m) {
  __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(a, b), r.zero);
  __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(c, d), r.zero);
  __m256i v = _mm256_max_epi8(_mm256_min_epi8(_mm256_packs_epi16(low, high), r.hi), r.lo);
  v = _mm256_permutevar8x32_epi32(_mm256_xor_si256(v, r.flip), _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
  const __m128i ab = _mm256_castsi256_si128(v);
  store_part(p, ab, m);
  if constexpr (N > 1) store_part(p + step, _mm_unpackhi_epi64(ab, ab), m);
  if constexpr (N > 2) {
    const __m128i cd = _mm256_extracti128_si256(v, 1);
    store_part(p + 2 * step, cd, m);
    if constexpr (N > 3) store_part(p + 3 * step, _mm_unpackhi_epi64(cd, cd), m);
  }
}
HONE_INLINE VF load_four(const float* p) { return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p)); }
HONE_INLINE VF sums_of_four(VF a, VF b, VF c, VF d) {
  const VF ab = _mm256_add_ps(_mm256_blend_ps(a, b, 0xcc), _mm256_shuffle_ps(a, b, 0x4e));
  const VF cd = _mm256_add_ps(_mm256_blend_ps(c, d, 0xcc), _mm256_shuffle_ps(c, d, 0x4e));
  const VF odd = _mm256_permute_ps(_mm256_blend_ps(ab, cd, 0x55), 0xb1);
  return _mm256_add_ps(_mm256_blend_ps(ab, cd, 0xaa), odd);
}
HONE_INLINE VF permuted(VF v, VI lanes) { return _mm256_permutevar8x32_ps(v, lanes); }
HONE_INLINE VF keep(VF v) {
  asm("" : "+x"(v));
  return v;
}

HONE_INLINE VF add(VF a, VF b) { return _mm256_add_ps(a, b); }
HONE_INLINE VF sub(VF a, VF b) { return _mm256_sub_ps(a, b); }
HONE_INLINE VF mul(VF a, VF b) { return _mm256_mul_ps(a, b); }
HONE_INLINE VF div(VF a, VF b) { return _mm256_div_ps(a, b); }
HONE_INLINE VF square_root(VF a) { return _mm256_sqrt_ps(a); }
HONE_INLINE VF fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
HONE_INLINE VF fnma(VF a, VF b, VF c) { return _mm256_fnmadd_ps(a, b, c); }
HONE_INLINE VF max(VF a, VF b) { return _mm256_max_ps(a, b); }
HONE_INLINE VF min(VF a, VF b) { return _mm256_min_ps(a, b); }
HONE_INLINE VF round_even(VF a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
HONE_INLINE VI to_int(VF a) { return _mm256_cvtps_epi32(a); }
HONE_INLINE VF to_float(VI a) { return _mm256_cvtepi32_ps(a); }
HONE_INLINE VI add(VI a, VI b) { return _mm256_add_epi32(a, b); }
HONE_INLINE VI sub(VI a, VI b) { return _mm256_sub_epi32(a, b); }
HONE_INLINE VI max(VI a, VI b) { return _mm256_max_epi32(a, b); }
HONE_INLINE VI min(VI a, VI b) { return _mm256_min_epi32(a, b); }
template <int N> HONE_INLINE VI shift_left(VI a) { return _mm256_slli_epi32(a, N); }
HONE_INLINE VI as_int(VF a) { return _mm256_castps_si256(a); }
HONE_INLINE VF as_float(VI a) { return _mm256_castsi256_ps(a); }
HONE_INLINE VF and_(VF a, VF b) { return _mm256_and_ps(a, b); }
HONE_INLINE VF or_(VF a, VF b) { return _mm256_or_ps(a, b); }
HONE_INLINE VM less(VF a, VF b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
HONE_INLINE VF select(VM m, VF yes, VF no) { return _mm256_blendv_ps(no, yes, m); }
HONE_INLINE float sum(VF a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
HONE_INLINE float max_of(VF a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

constexpr int kGroup = 4 * kLanes;
struct Taps {
  VI low, high;
};
HONE_INLINE Taps copy_of(const Taps& x) { return {x.low, x.high}; }
constexpr int kTapBytes = 8;

HONE_INLINE __m256i row_in_order(const uint8_t* p, VI flip) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm256_xor_si256(_mm256_permutevar8x32_epi32(v, _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0)), flip);
}
HONE_INLINE void load_group(const uint8_t* const (&row)[4], int n, VI flip, Taps* x, int stride) {
  if (n < kGroup) {
    const __m128i f = _mm256_castsi256_si128(flip);
    for (int c = 0; c < n; c += kLanes) {
      const Part m(n - c < kLanes ? n - c : kLanes);
      const __m128i ab = _mm_unpacklo_epi8(load_bytes(row[0] + c, m), load_bytes(row[1] + c, m));
      const __m128i cd = _mm_unpacklo_epi8(load_bytes(row[2] + c, m), load_bytes(row[3] + c, m));
      x[c / kLanes * stride] = {_mm256_cvtepu8_epi16(_mm_xor_si128(ab, f)), _mm256_cvtepu8_epi16(_mm_xor_si128(cd, f))};
    }
    return;
  }
  const __m256i a = row_in_order(row[0], flip), b = row_in_order(row[1], flip);
  const __m256i c = row_in_order(row[2], flip), d = row_in_order(row[3], flip);
  const __m256i zero = _mm256_setzero_si256();
  const __m256i low_ab = _mm256_unpacklo_epi8(a, b), high_ab = _mm256_unpackhi_epi8(a, b);
  const __m256i low_cd = _mm256_unpacklo_epi8(c, d), high_cd = _mm256_unpackhi_epi8(c, d);
  x[0] = {_mm256_unpacklo_epi8(low_ab, zero), _mm256_unpacklo_epi8(low_cd, zero)};
  x[stride] = {_mm256_unpackhi_epi8(low_ab, zero), _mm256_unpackhi_epi8(low_cd, zero)};
  x[2 * stride] = {_mm256_unpacklo_epi8(high_ab, zero), _mm256_unpacklo_epi8(high_cd, zero)};
  x[3 * stride] = {_mm256_unpackhi_epi8(high_ab, zero), _mm256_unpackhi_epi8(high_cd, zero)};
}
HONE_INLINE void load_narrow(const uint8_t* const (&row)[4], int n, VI flip, Taps* x) {
  load_group(row, n, flip, x, 1);
}

HONE_INLINE Taps splat_taps(int byte) {
  const VI words = _mm256_set1_epi16(static_cast<int16_t>(byte & 0xff));
  return {words, words};
}
HONE_INLINE Taps splat_four(const uint8_t* p, VI flip) {
  int four;
  __builtin_memcpy(&four, p, 4);
  const VI x = _mm256_xor_si256(_mm256_set1_epi32(four), flip);
  return {_mm256_and_si256(x, _mm256_set1_epi32(0x00ff00ff)), _mm256_srli_epi16(x, 8)};
}
constexpr int tap_of[4] = {0, 2, 1, 3};
struct TapWeights {
  VI low, high;
};
HONE_INLINE TapWeights load_weights(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
// 16-bit products: maddubs would saturate the sum of two.
HONE_INLINE VI dot4(VI acc, const Taps& x, const TapWeights& w) {
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x.low, w.low));
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x.high, w.high));
  asm("" : "+x"(acc));  // keeps the compiler from adding in another order, which takes more registers
  return acc;
}
inline void put_weight(uint8_t* packed, int lane, int tap, int8_t w) {
  int16_t wide = w;
  __builtin_memcpy(packed + (tap / 2) * 32 + lane * 4 + (tap % 2) * 2, &wide, 2);
}

using VB = __m256i;
constexpr int kByteLanes = 32;
HONE_INLINE VB load_vb(const uint8_t* p, int n) {
  if (n >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  alignas(32) uint8_t bytes[32] = {};
  for (int i = 0; i < n; ++i) bytes[i] = p[i];
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}
HONE_INLINE void store_vb(uint8_t* p, VB v, int n) {
  if (n >= 32) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  alignas(32) uint8_t bytes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), v);
  for (int i = 0; i < n; ++i) p[i] = bytes[i];
}
HONE_INLINE VB max_u8(VB a, VB b) { return _mm256_max_epu8(a, b); }
HONE_INLINE VB flip_sign(VB a) { return _mm256_xor_si256(a, _mm256_set1_epi8(-128)); }

inline int64_t lookup_blocks(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  for (; begin + 32 <= end; begin += 32) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + begin));
    __m256i found = _mm256_setzero_si256();
    for (int k = 0; k < 16; ++k) {
      const __m256i part =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
      const __m256i index = _mm256_adds_epu8(_mm256_xor_si256(v, _mm256_set1_epi8(static_cast<char>(k << 4))),
                                             _mm256_set1_epi8(0x70));
      found = _mm256_or_si256(found, _mm256_shuffle_epi8(part, index));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + begin), found);
  }
  return begin;
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
