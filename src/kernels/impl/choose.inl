// Comparisons, selections and positions of extremes: plain loops, which the compiler vectorizes for each instruction
// set.
#include "kernels/choose.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

/// f(i, a's index, b's index), each combination of steps with a loop of its own.
template <class F>
HONE_INLINE void pairs(int64_t count, int64_t a, int64_t b, F f) {
  if (a && b)
    for (int64_t i = 0; i < count; ++i) f(i, i, i);
  else if (a)
    for (int64_t i = 0; i < count; ++i) f(i, i, 0);
  else
    for (int64_t i = 0; i < count; ++i) f(i, 0, i * b);
}

template <class T>
void compare_as(Compare op, const ChooseRow& row, uint8_t* y) {
  const T *a = static_cast<const T*>(row.in[0]), *b = static_cast<const T*>(row.in[1]);
  auto each = [&](auto f) __attribute__((always_inline)) {
    pairs(row.count, row.step[0], row.step[1], [&](int64_t i, int64_t p, int64_t q) { y[i] = f(a[p], b[q]); });
  };
  switch (op) {
    case Compare::equal: return each([](T p, T q) { return p == q; });
    case Compare::less: return each([](T p, T q) { return p < q; });
    case Compare::less_equal: return each([](T p, T q) { return p <= q; });
    case Compare::greater: return each([](T p, T q) { return p > q; });
    case Compare::greater_equal: return each([](T p, T q) { return p >= q; });
  }
}

void compare(Compare op, DType type, const ChooseRow& row, uint8_t* y) {
  switch (type) {
    case DType::f32: return compare_as<float>(op, row, y);
    case DType::i64: return compare_as<int64_t>(op, row, y);
    case DType::i32: return compare_as<int32_t>(op, row, y);
    case DType::i8: return compare_as<int8_t>(op, row, y);
    default: return compare_as<uint8_t>(op, row, y);
  }
}

template <class T>
void where_as(const ChooseRow& row, T* y) {
  const uint8_t* c = static_cast<const uint8_t*>(row.in[0]);
  const T *a = static_cast<const T*>(row.in[1]), *b = static_cast<const T*>(row.in[2]);
  if (row.step[0]) {
    pairs(row.count, row.step[1], row.step[2], [&](int64_t i, int64_t p, int64_t q) { y[i] = c[i] ? a[p] : b[q]; });
    return;
  }
  const T* from = c[0] ? a : b;
  const int64_t step = c[0] ? row.step[1] : row.step[2];
  for (int64_t i = 0; i < row.count; ++i) y[i] = from[i * step];
}

void where(int element_bytes, const ChooseRow& row, void* y) {
  switch (element_bytes) {
    case 1: return where_as(row, static_cast<uint8_t*>(y));
    case 2: return where_as(row, static_cast<uint16_t*>(y));
    case 4: return where_as(row, static_cast<uint32_t*>(y));
    default: return where_as(row, static_cast<uint64_t*>(y));
  }
}

/// Whether v replaces `best`, which came before it.
template <bool kLargest, bool kLast>
HONE_INLINE bool replaces(float v, float best) {
  const bool beyond = kLast ? (kLargest ? v >= best : v <= best) : (kLargest ? v > best : v < best);
  return beyond | ((v != v) & (kLast | (best == best)));
}

/// Columns of [length, stride]: their extremes and the rows they are in.
template <bool kLargest, bool kLast>
HONE_INLINE void scan(const float* x, int64_t length, int64_t stride, int count, float* best, int32_t* at) {
  for (int i = 0; i < count; ++i) best[i] = x[i], at[i] = 0;
  for (int64_t k = 1; k < length; ++k) {
    const float* row = x + k * stride;
    const int32_t here = static_cast<int32_t>(k);
    for (int i = 0; i < count; ++i) {
      const bool take = replaces<kLargest, kLast>(row[i], best[i]);
      best[i] = take ? row[i] : best[i];
      at[i] = take ? here : at[i];
    }
  }
}

/// The position in a row of neighbors, which are scanned as kLanes columns first.
template <bool kLargest, bool kLast>
HONE_INLINE int64_t in_row(const float* x, int64_t length) {
  float best = x[0];
  int64_t at = 0;
  const int64_t rows = length / kLanes;
  if (rows > 0) {
    float top[kLanes];
    int32_t row[kLanes];
    scan<kLargest, kLast>(x, rows, kLanes, kLanes, top, row);
    best = top[0], at = static_cast<int64_t>(row[0]) * kLanes;
    for (int i = 1; i < kLanes; ++i) {
      const int64_t here = static_cast<int64_t>(row[i]) * kLanes + i;
      const bool tie = top[i] == best || (top[i] != top[i] && best != best);
      if (tie ? (kLast ? here > at : here < at) : replaces<kLargest, false>(top[i], best)) best = top[i], at = here;
    }
  }
  for (int64_t i = rows > 0 ? rows * kLanes : 1; i < length; ++i)
    if (replaces<kLargest, kLast>(x[i], best)) best = x[i], at = i;
  return at;
}

template <bool kLargest, bool kLast>
void extreme_as(const float* x, int64_t length, int64_t inner, int64_t* y, int64_t begin, int64_t end) {
  const int64_t units = extreme_units(inner);
  for (int64_t u = begin; u < end; ++u) {
    const int64_t outer = u / units, first = u % units * kExtremeUnit;
    const float* from = x + outer * length * inner + first;
    int64_t* to = y + outer * inner + first;
    if (inner == 1) {
      to[0] = in_row<kLargest, kLast>(from, length);
      continue;
    }
    float best[kExtremeUnit];
    int32_t at[kExtremeUnit];
    const int count = static_cast<int>(inner - first < kExtremeUnit ? inner - first : kExtremeUnit);
    if (count == kExtremeUnit)  // a constant count
      scan<kLargest, kLast>(from, length, inner, kExtremeUnit, best, at);
    else
      scan<kLargest, kLast>(from, length, inner, count, best, at);
    for (int i = 0; i < count; ++i) to[i] = at[i];
  }
}

void extreme(bool largest, bool last, const float* x, int64_t length, int64_t inner, int64_t* y, int64_t begin,
             int64_t end) {
  if (largest) return (last ? extreme_as<true, true> : extreme_as<true, false>)(x, length, inner, y, begin, end);
  (last ? extreme_as<false, true> : extreme_as<false, false>)(x, length, inner, y, begin, end);
}

}  // namespace

extern const ChooseKernels choose;
const ChooseKernels choose{compare, where, extreme};

}  // namespace hone::kernels::HONE_ISA
