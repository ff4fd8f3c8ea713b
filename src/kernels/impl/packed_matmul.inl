// Products with weights of 8 or 4 bits. A unit is two vectors of channels: [group][channel] scales, then scales times
// zero points, then the weights, [position][channel] in bytes, or [pair of positions][channel], the first in the low
// four bits.
#include "kernels/packed_matmul.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kUnit = 2 * kLanes;
constexpr int kRows = kLanes == 16 ? 6 : 4;      ///< of a tile
constexpr int64_t kManyRows = 24;                ///< from here on weights are made floats once for all rows

int64_t units(const PackedMatMulShape& s) { return (s.channels + kUnit - 1) / kUnit; }
HONE_INLINE int64_t weight_rows(const PackedMatMulShape& s) {  // of kUnit bytes
  if (s.bits == 8) return s.depth;
  return s.depth / s.group * ((s.group + 1) / 2) + (s.depth % s.group + 1) / 2;
}
HONE_INLINE int64_t unit_bytes(const PackedMatMulShape& s) {
  return (s.groups() * 2 * kUnit * 4 + weight_rows(s) * kUnit + 63) / 64 * 64;
}
size_t packed_bytes(const PackedMatMulShape& s) { return static_cast<size_t>(units(s) * unit_bytes(s)); }
size_t scratch_floats(const PackedMatMulShape& s) {
  const int64_t sums = kRows * s.groups(), panel = s.rows >= kManyRows ? s.depth * kUnit : 0;
  return static_cast<size_t>(sums + panel + 32);
}

void pack(const PackedMatMulShape& s, const int8_t* w, const float* scale, const float* zero, void* packed,
          int64_t unit) {
  char* memory = static_cast<char*>(packed) + unit * unit_bytes(s);
  float *scales = reinterpret_cast<float*>(memory), *offsets = scales + s.groups() * kUnit;
  auto* q = reinterpret_cast<uint8_t*>(offsets + s.groups() * kUnit);
  for (int64_t g = 0; g < s.groups(); ++g) {
    const int64_t begin = g * s.group, end = begin + s.group < s.depth ? begin + s.group : s.depth;
    for (int i = 0; i < kUnit; ++i) {
      const int64_t c = unit * kUnit + i;
      scales[g * kUnit + i] = c < s.channels ? scale[c * s.groups() + g] : 0;
      offsets[g * kUnit + i] = c < s.channels ? scale[c * s.groups() + g] * zero[c * s.groups() + g] : 0;
    }
    const auto at = [&](int64_t k, int i) {
      const int64_t c = unit * kUnit + i;
      return c < s.channels && k < end ? w[c * s.depth + k] : int8_t{0};
    };
    for (int64_t k = begin; k < end; k += s.bits == 8 ? 1 : 2, q += kUnit)
      for (int i = 0; i < kUnit; ++i)
        q[i] = s.bits == 8 ? static_cast<uint8_t>(at(k, i))
                           : static_cast<uint8_t>((at(k, i) & 15) | (at(k + 1, i) & 15) << 4);
  }
}

HONE_INLINE VF low_bits(VI v) { return to_float(as_int(and_(as_float(v), as_float(set1i(15))))); }
/// 16 times the number.
HONE_INLINE VF high_bits(VI v) { return to_float(as_int(and_(as_float(v), as_float(set1i(240))))); }

/// acc[r * 2 + v] += sums over positions [begin, end) of one group; moves q behind it.
template <int R, bool Four>
HONE_INLINE void add_group(const PackedMatMulShape& s, const float* x, int64_t begin, int64_t end, const uint8_t*& q,
                           VF (&acc)[2 * R]) {
  const int64_t depth = s.depth;
  int64_t k = begin;
  if constexpr (Four) {
    for (; k + 1 < end; k += 2, q += kUnit) {
      const VI bytes[2] = {widen_u8(load_bytes(q)), widen_u8(load_bytes(q + kLanes))};
      const VF first[2] = {low_bits(bytes[0]), low_bits(bytes[1])},
               second[2] = {high_bits(bytes[0]), high_bits(bytes[1])};
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const VF a = set1(x[r * depth + k]), b = set1(x[r * depth + k + 1] * 0.0625f);
        unroll<2>(HONE_EACH { acc[r * 2 + i] = fma(b, second[i], fma(a, first[i], acc[r * 2 + i])); });
      });
    }
    if (k < end) {
      const VF w[2] = {low_bits(widen_u8(load_bytes(q))), low_bits(widen_u8(load_bytes(q + kLanes)))};
      unroll<R * 2>(HONE_EACH { acc[i] = fma(set1(x[i / 2 * depth + k]), w[i % 2], acc[i]); });
      q += kUnit;
    }
  } else {
    for (; k < end; ++k, q += kUnit) {
      const VF w[2] = {to_float(widen_i8(load_bytes(q))), to_float(widen_i8(load_bytes(q + kLanes)))};
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const VF a = set1(x[r * depth + k]);
        unroll<2>(HONE_EACH { acc[r * 2 + i] = fma(a, w[i], acc[r * 2 + i]); });
      });
    }
  }
}

template <int R>
HONE_INLINE void store_tile(const PackedMatMulShape& s, const Post& post, const VF (&total)[2 * R], int64_t first,
                            int64_t row, void* y) {
  unroll<2>([&](auto v) __attribute__((always_inline)) {
    const int64_t c = first + v * kLanes, left = s.channels - c;
    if (left <= 0) return;
    VF out[R];
    unroll<R>(HONE_EACH { out[i] = total[i * 2 + v]; });
    const Part mask(static_cast<int>(left < kLanes ? left : kLanes));
    finish<R>(post, load_post(post, c, mask), out, y, row * s.channels + c, s.channels, mask);
  });
}

/// sums[r * groups + g]: of x over each group, for zero points.
template <int R>
void sum_groups(const PackedMatMulShape& s, const float* x, float* sums) {
  for (int r = 0; r < R; ++r)
    for (int64_t g = 0; g < s.groups(); ++g) {
      const int64_t end = (g + 1) * s.group < s.depth ? (g + 1) * s.group : s.depth;
      VF all = zero_f();
      for (int64_t k = g * s.group; k < end; k += kLanes)
        all = add(all, load(x + r * s.depth + k, Part(static_cast<int>(end - k < kLanes ? end - k : kLanes))));
      sums[r * s.groups() + g] = sum(all);
    }
}

template <int R, bool Four>
HONE_NOINLINE void packed_tile(const PackedMatMulShape& s, const float* x, const float* unit, const float* sums,
                               const Post& post, int64_t first, int64_t row, void* y) {
  const float *scales = unit, *offsets = unit + s.groups() * kUnit;
  auto* q = reinterpret_cast<const uint8_t*>(offsets + s.groups() * kUnit);
  VF total[2 * R];
  unroll<2 * R>(HONE_EACH { total[i] = zero_f(); });
  for (int64_t g = 0; g < s.groups(); ++g) {
    VF acc[2 * R];
    unroll<2 * R>(HONE_EACH { acc[i] = zero_f(); });
    const int64_t begin = g * s.group, end = begin + s.group < s.depth ? begin + s.group : s.depth;
    add_group<R, Four>(s, x, begin, end, q, acc);
    const VF scale[2] = {load(scales + g * kUnit), load(scales + g * kUnit + kLanes)};
    unroll<2 * R>(HONE_EACH { total[i] = fma(acc[i], scale[i % 2], total[i]); });
    if (!s.zeros) continue;
    const VF offset[2] = {load(offsets + g * kUnit), load(offsets + g * kUnit + kLanes)};
    unroll<2 * R>(HONE_EACH { total[i] = fnma(set1(sums[i / 2 * s.groups() + g]), offset[i % 2], total[i]); });
  }
  store_tile<R>(s, post, total, first, row, y);
}

template <int R>
HONE_INLINE void packed_rows(const PackedMatMulShape& s, const float* x, const char* packed, const Post& post, void* y,
                             int64_t row, int64_t begin, int64_t end, float* sums) {
  const float* rows = x + row * s.depth;
  if (s.zeros) sum_groups<R>(s, rows, sums);
  for (int64_t unit = begin; unit < end; ++unit) {
    auto* memory = reinterpret_cast<const float*>(packed + unit * unit_bytes(s));
    if (s.bits == 4) packed_tile<R, true>(s, rows, memory, sums, post, unit * kUnit, row, y);
    else packed_tile<R, false>(s, rows, memory, sums, post, unit * kUnit, row, y);
  }
}

/// panel[position][channel]: the weights of a unit as floats.
void unpack(const PackedMatMulShape& s, const float* unit, float* panel) {
  const float *scales = unit, *offsets = unit + s.groups() * kUnit;
  auto* q = reinterpret_cast<const uint8_t*>(offsets + s.groups() * kUnit);
  for (int64_t g = 0; g < s.groups(); ++g) {
    const int64_t begin = g * s.group, end = begin + s.group < s.depth ? begin + s.group : s.depth;
    const int step = s.bits == 8 ? 1 : 2;
    for (int64_t k = begin; k < end; k += step, q += kUnit)
      unroll<2>([&](auto v) __attribute__((always_inline)) {
        const VF scale = load(scales + g * kUnit + v * kLanes), offset = load(offsets + g * kUnit + v * kLanes);
        const auto bytes = load_bytes(q + v * kLanes);
        float* to = panel + k * kUnit + v * kLanes;
        if (step == 1) return store(to, sub(mul(to_float(widen_i8(bytes)), scale), offset));
        store(to, sub(mul(low_bits(widen_u8(bytes)), scale), offset));
        if (k + 1 < end) store(to + kUnit, sub(mul(high_bits(widen_u8(bytes)), mul(scale, set1(0.0625f))), offset));
      });
  }
}

template <int R>
HONE_NOINLINE void panel_tile(const PackedMatMulShape& s, const float* x, const float* panel, const Post& post,
                              int64_t first, int64_t row, void* y) {
  VF acc[2 * R];
  unroll<2 * R>(HONE_EACH { acc[i] = zero_f(); });
  for (int64_t k = 0; k < s.depth; ++k) {
    const VF w[2] = {load(panel + k * kUnit), load(panel + k * kUnit + kLanes)};
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const VF a = set1(x[r * s.depth + k]);
      unroll<2>(HONE_EACH { acc[r * 2 + i] = fma(a, w[i], acc[r * 2 + i]); });
    });
  }
  store_tile<R>(s, post, acc, first, row, y);
}

/// Calls f(Index<rows>, first row) for tiles of rows.
template <class F>
HONE_INLINE void for_row_tiles(int64_t rows, F f) {
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) f(Index<kRows>{}, row);
  for (; row + 2 <= rows; row += 2) f(Index<2>{}, row);
  if (row < rows) f(Index<1>{}, row);
}

void run(const PackedMatMulShape& s, const float* x, const void* packed, const Epilogue& epilogue, void* y,
         int64_t begin, int64_t end, float* scratch) {
  const Post post = prepare(epilogue);
  const char* memory = static_cast<const char*>(packed);
  if (s.rows < kManyRows) {
    for_row_tiles(s.rows, [&](auto rows, int64_t row) __attribute__((always_inline)) {
      packed_rows<decltype(rows)::value>(s, x, memory, post, y, row, begin, end, scratch);
    });
    return;
  }
  for (int64_t unit = begin; unit < end; ++unit) {
    unpack(s, reinterpret_cast<const float*>(memory + unit * unit_bytes(s)), scratch);
    for_row_tiles(s.rows, [&](auto rows, int64_t row) __attribute__((always_inline)) {
      panel_tile<decltype(rows)::value>(s, x + row * s.depth, scratch, post, unit * kUnit, row, y);
    });
  }
}

}  // namespace

extern const PackedMatMulKernels packed_matmul;
const PackedMatMulKernels packed_matmul = {units, packed_bytes, pack, scratch_floats, run};

}  // namespace hone::kernels::HONE_ISA
