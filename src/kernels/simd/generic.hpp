#pragma once
// 4 lanes in the compiler's portable vectors; the counterpart of simd/avx512.hpp, where the functions are described.
#include <stddef.h>
#include <stdint.h>

#define HONE_ISA generic
#define HONE_INLINE inline __attribute__((always_inline))
#define HONE_NOINLINE __attribute__((noinline))

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kLanes = 4;
constexpr bool kFused = false;
constexpr int kTileMax = 4;
typedef float VF __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
using VM = VI;

struct Full {
  static constexpr int n = kLanes;
};
struct Part {
  int n;
  explicit Part(int count) : n(count) {}
};
typedef uint8_t Bytes __attribute__((vector_size(4)));
typedef int8_t SignedBytes __attribute__((vector_size(4)));

HONE_INLINE VF set1(float v) { return VF{v, v, v, v}; }
HONE_INLINE VI set1i(int v) { return VI{v, v, v, v}; }
HONE_INLINE VF zero_f() { return set1(0); }
template <class M = Full>
HONE_INLINE VF load(const float* p, M m = {}) {
  VF v = {};
  for (int i = 0; i < m.n; ++i) v[i] = p[i];
  return v;
}
template <class M = Full>
HONE_INLINE void store(float* p, VF v, M m = {}) {
  for (int i = 0; i < m.n; ++i) p[i] = v[i];
}
HONE_INLINE VI load_i32(const int32_t* p) { return VI{p[0], p[1], p[2], p[3]}; }
template <class M = Full>
HONE_INLINE VF gather(const float* p, const int32_t* index, M m = {}) {
  VF v = {};
  for (int i = 0; i < m.n; ++i) v[i] = p[index[i]];
  return v;
}
HONE_INLINE Bytes load_bytes(const void* p, Full = {}) {
  Bytes v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
HONE_INLINE Bytes load_bytes(const void* p, Part m) {
  Bytes v = {};
  __builtin_memcpy(&v, p, static_cast<size_t>(m.n));
  return v;
}
HONE_INLINE VI widen_u8(Bytes v) { return __builtin_convertvector(v, VI); }
HONE_INLINE VI widen_i8(Bytes v) { return __builtin_convertvector(reinterpret_cast<SignedBytes>(v), VI); }
template <class M = Full>
HONE_INLINE void store_bytes(void* p, VI v, M m = {}) {
  for (int i = 0; i < m.n; ++i) static_cast<uint8_t*>(p)[i] = static_cast<uint8_t>(v[i]);
}

struct ByteRules {
  VI zero, lo, hi;
  ByteRules(bool, int zero_point, int low, int high) : zero(set1i(zero_point)), lo(set1i(low)), hi(set1i(high)) {}
};
HONE_INLINE VI clamp_bytes(const ByteRules& r, VI v) {
  const VI far = set1i(1 << 20);
  v = v > far ? far : v < -far ? -far : v;
  v += r.zero;
  return v > r.hi ? r.hi : v < r.lo ? r.lo : v;
}
template <int N, class M>
HONE_INLINE void store_bytes4(const ByteRules& r, VI a, VI b, VI c, VI d, uint8_t* p, int64_t step, const M& m) {
  store_bytes(p, clamp_bytes(r, a), m);
  if constexpr (N > 1) store_bytes(p + step, clamp_bytes(r, b), m);
  if constexpr (N > 2) store_bytes(p + 2 * step, clamp_bytes(r, c), m);
  if constexpr (N > 3) store_bytes(p + 3 * step, clamp_bytes(r, d), m);
}
HONE_INLINE VF keep(VF v) { return v; }

HONE_INLINE VF add(VF a, VF b) { return a + b; }
HONE_INLINE VF sub(VF a, VF b) { return a - b; }
HONE_INLINE VF mul(VF a, VF b) { return a * b; }
HONE_INLINE VF div(VF a, VF b) { return a / b; }
HONE_INLINE VF square_root(VF a) {
  return VF{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
}
HONE_INLINE VF fma(VF a, VF b, VF c) { return a * b + c; }
HONE_INLINE VF fnma(VF a, VF b, VF c) { return c - a * b; }
HONE_INLINE VF max(VF a, VF b) { return a > b ? a : b; }
HONE_INLINE VF min(VF a, VF b) { return a < b ? a : b; }
HONE_INLINE VF round_even(VF a) {
  return VF{__builtin_rintf(a[0]), __builtin_rintf(a[1]), __builtin_rintf(a[2]), __builtin_rintf(a[3])};
}
/// Rounds to even; what does not fit becomes the lowest integer, as on x86.
HONE_INLINE VI to_int(VF a) {
  const VI fits = (a < 2147483648.0f) & (a >= -2147483648.0f);
  const VF safe = reinterpret_cast<VF>(reinterpret_cast<VI>(round_even(a)) & fits);
  return __builtin_convertvector(safe, VI) | (~fits & INT32_MIN);
}
HONE_INLINE VF to_float(VI a) { return __builtin_convertvector(a, VF); }
HONE_INLINE VI add(VI a, VI b) { return a + b; }
HONE_INLINE VI sub(VI a, VI b) { return a - b; }
HONE_INLINE VI max(VI a, VI b) { return a > b ? a : b; }
HONE_INLINE VI min(VI a, VI b) { return a < b ? a : b; }
template <int N> HONE_INLINE VI shift_left(VI a) { return a << N; }
HONE_INLINE VI as_int(VF a) { return reinterpret_cast<VI>(a); }
HONE_INLINE VF as_float(VI a) { return reinterpret_cast<VF>(a); }
HONE_INLINE VF and_(VF a, VF b) { return as_float(as_int(a) & as_int(b)); }
HONE_INLINE VF or_(VF a, VF b) { return as_float(as_int(a) | as_int(b)); }
HONE_INLINE VM less(VF a, VF b) { return a < b; }
HONE_INLINE VF select(VM m, VF yes, VF no) { return as_float((m & as_int(yes)) | (~m & as_int(no))); }
HONE_INLINE float sum(VF a) { return (a[0] + a[1]) + (a[2] + a[3]); }
HONE_INLINE float max_of(VF a) {
  float x = a[0] > a[1] ? a[0] : a[1], y = a[2] > a[3] ? a[2] : a[3];
  return x > y ? x : y;
}

constexpr int kGroup = 4 * kLanes;
struct Taps {
  VI row[4];
};
HONE_INLINE Taps copy_of(const Taps& x) { return {{x.row[0], x.row[1], x.row[2], x.row[3]}}; }
constexpr int kTapBytes = 4;

HONE_INLINE void load_group(const uint8_t* const (&row)[4], int n, VI flip, Taps* x, int stride) {
  for (int c = 0; c < n; c += kLanes)
    for (int i = 0; i < 4; ++i)
      x[c / kLanes * stride].row[i] =
          widen_u8(n - c >= kLanes ? load_bytes(row[i] + c) : load_bytes(row[i] + c, Part(n - c))) ^ (flip & 0xff);
}
HONE_INLINE void load_narrow(const uint8_t* const (&row)[4], int n, VI flip, Taps* x) {
  load_group(row, n, flip, x, 1);
}

HONE_INLINE Taps splat_taps(int byte) {
  const VI v = set1i(byte & 0xff);
  return {{v, v, v, v}};
}
struct TapWeights {
  VI row[4];
};
HONE_INLINE TapWeights load_weights(const uint8_t* p) {
  return {{widen_i8(load_bytes(p)), widen_i8(load_bytes(p + 4)), widen_i8(load_bytes(p + 8)),
           widen_i8(load_bytes(p + 12))}};
}
HONE_INLINE VI dot4(VI acc, const Taps& x, const TapWeights& w) {
  for (int i = 0; i < 4; ++i) acc += x.row[i] * w.row[i];
  return acc;
}
inline void put_weight(uint8_t* packed, int lane, int tap, int8_t w) {
  packed[tap * 4 + lane] = static_cast<uint8_t>(w);
}

typedef uint8_t VB __attribute__((vector_size(16)));
constexpr int kByteLanes = 16;
HONE_INLINE VB load_vb(const uint8_t* p, int n) {
  VB v = {};
  if (n >= kByteLanes)
    __builtin_memcpy(&v, p, kByteLanes);
  else
    __builtin_memcpy(&v, p, static_cast<size_t>(n));
  return v;
}
HONE_INLINE void store_vb(uint8_t* p, VB v, int n) {
  if (n >= kByteLanes)
    __builtin_memcpy(p, &v, kByteLanes);
  else
    __builtin_memcpy(p, &v, static_cast<size_t>(n));
}
HONE_INLINE VB max_u8(VB a, VB b) { return a > b ? a : b; }
HONE_INLINE VB flip_sign(VB a) { return a ^ 0x80; }

inline int64_t lookup_blocks(const uint8_t*, const uint8_t*, uint8_t*, int64_t begin, int64_t) { return begin; }

}  // namespace
}  // namespace hone::kernels::HONE_ISA
