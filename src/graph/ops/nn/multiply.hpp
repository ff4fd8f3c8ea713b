#pragma once
#include <cstdint>

namespace hone::ops {

/// c [m, n] += a [m, k] * b [k, n]: a and b dense row-major, rows of c `c_stride` apart. Four rows of b at a time, so
/// that c is read and written once for four products.
template <class T>
void multiply_add(const T* a, const T* b, T* c, int64_t m, int64_t k, int64_t n, int64_t c_stride) {
  for (int64_t i = 0; i < m; ++i, a += k, c += c_stride) {
    T* __restrict out = c;
    int64_t p = 0;
    for (; p + 4 <= k; p += 4) {
      const T *row0 = b + p * n, *row1 = row0 + n, *row2 = row1 + n, *row3 = row2 + n;
      T x0 = a[p], x1 = a[p + 1], x2 = a[p + 2], x3 = a[p + 3];
      for (int64_t j = 0; j < n; ++j) out[j] += x0 * row0[j] + x1 * row1[j] + x2 * row2[j] + x3 * row3[j];
    }
    for (; p < k; ++p) {
      const T* row = b + p * n;
      T x = a[p];
      for (int64_t j = 0; j < n; ++j) out[j] += x * row[j];
    }
  }
}

}  // namespace hone::ops
