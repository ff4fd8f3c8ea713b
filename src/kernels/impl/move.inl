// Strided copies: rows where the last axis is dense, blocks where the last two axes exchange places, else one by one.
#include "kernels/move.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

/// y[c * y_row + r] = x[r * x_row + c] for a square block.
template <class T, int N>
HONE_INLINE void block(const T* x, int64_t x_row, T* y, int64_t y_row) {
  for (int c = 0; c < N; ++c)
    for (int r = 0; r < N; ++r) y[c * y_row + r] = x[r * x_row + c];
}

#if defined(__AVX2__)
template <>
HONE_INLINE void block<uint32_t, 8>(const uint32_t* x, int64_t x_row, uint32_t* y, int64_t y_row) {
  __m256 r[8], t[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(x + i * x_row));
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(reinterpret_cast<float*>(y + i * y_row), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(reinterpret_cast<float*>(y + (i + 4) * y_row), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

template <>
HONE_INLINE void block<uint8_t, 8>(const uint8_t* x, int64_t x_row, uint8_t* y, int64_t y_row) {
  __m128i r[8], t[4];
  for (int i = 0; i < 8; ++i) r[i] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x + i * x_row));
  for (int i = 0; i < 4; ++i) t[i] = _mm_unpacklo_epi8(r[2 * i], r[2 * i + 1]);
  const __m128i a = _mm_unpacklo_epi16(t[0], t[1]), b = _mm_unpackhi_epi16(t[0], t[1]);
  const __m128i c = _mm_unpacklo_epi16(t[2], t[3]), d = _mm_unpackhi_epi16(t[2], t[3]);
  const __m128i out[4] = {_mm_unpacklo_epi32(a, c), _mm_unpackhi_epi32(a, c), _mm_unpacklo_epi32(b, d),
                          _mm_unpackhi_epi32(b, d)};
  for (int i = 0; i < 4; ++i) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y + 2 * i * y_row), out[i]);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y + (2 * i + 1) * y_row), _mm_unpackhi_epi64(out[i], out[i]));
  }
}
#endif

/// A few rows become the elements of each output row: the compiler vectorizes the fixed count.
template <class T, int Rows>
void interleave(const T* x, int64_t x_row, T* __restrict y, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c)
    for (int r = 0; r < Rows; ++r) y[c * Rows + r] = x[r * x_row + c];
}
template <class T, int Columns>
void separate(const T* x, T* __restrict y, int64_t rows) {
  for (int c = 0; c < Columns; ++c)
    for (int64_t r = 0; r < rows; ++r) y[c * rows + r] = x[r * Columns + c];
}

/// y[c * rows + r] = x[r * x_row + c].
template <class T>
void transpose(const T* x, int64_t x_row, T* y, int64_t rows, int64_t columns) {
  if (rows == 2) return interleave<T, 2>(x, x_row, y, columns);
  if (rows == 3) return interleave<T, 3>(x, x_row, y, columns);
  if (rows == 4) return interleave<T, 4>(x, x_row, y, columns);
  if (columns == x_row && columns == 2) return separate<T, 2>(x, y, rows);
  if (columns == x_row && columns == 3) return separate<T, 3>(x, y, rows);
  if (columns == x_row && columns == 4) return separate<T, 4>(x, y, rows);
  // Strips of columns whose output rows fill whole cache lines while they stay in the cache.
  constexpr int64_t strip = 64 / sizeof(T) > 8 ? 64 / sizeof(T) : 8;
  for (int64_t r0 = 0; r0 < rows; r0 += strip) {
    const int64_t r1 = r0 + strip < rows ? r0 + strip : rows;
    int64_t c = 0;
    for (; c + 8 <= columns; c += 8) {
      int64_t r = r0;
      for (; r + 8 <= r1; r += 8) block<T, 8>(x + r * x_row + c, x_row, y + c * rows + r, rows);
      for (; r < r1; ++r)
        for (int64_t k = c; k < c + 8; ++k) y[k * rows + r] = x[r * x_row + k];
    }
    for (; c < columns; ++c)
      for (int64_t r = r0; r < r1; ++r) y[c * rows + r] = x[r * x_row + c];
  }
}

template <class T>
HONE_INLINE void copy_row(const T* x, int64_t stride, T* __restrict y, int64_t count) {
  if (stride == 1) {
    __builtin_memcpy(y, x, static_cast<size_t>(count) * sizeof(T));
  } else if (stride == 0) {
    for (int64_t i = 0; i < count; ++i) y[i] = *x;
  } else if (stride == 2) {
    for (int64_t i = 0; i < count; ++i) y[i] = x[2 * i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i * stride];
  }
}

template <class T>
void run(const MoveJob& job, const T* x, T* y, int64_t begin, int64_t end) {
  const bool turn = job.transposes();
  const int outer = job.axes - (turn ? 2 : 1);
  const int64_t inner = job.dims[job.axes - 1] * (turn ? job.dims[job.axes - 2] : 1);
  int64_t position[MoveJob::kAxes] = {}, at = 0, rest = begin;
  for (int i = outer; i-- > 0; rest /= job.dims[i]) {
    position[i] = rest % job.dims[i];
    at += position[i] * job.stride[i];
  }
  for (int64_t unit = begin; unit < end; ++unit) {
    T* to = y + unit * inner;
    if (turn)
      transpose(x + at, job.stride[job.axes - 1], to, job.dims[job.axes - 1], job.dims[job.axes - 2]);
    else
      copy_row(x + at, job.stride[job.axes - 1], to, job.dims[job.axes - 1]);
    for (int i = outer; i-- > 0;) {
      at += job.stride[i];
      if (++position[i] < job.dims[i]) break;
      at -= job.dims[i] * job.stride[i];
      position[i] = 0;
    }
  }
}

void move_elements(const MoveJob& job, const void* x, void* y, int64_t begin, int64_t end) {
  switch (job.element_bytes) {
    case 1: return run(job, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y), begin, end);
    case 2: return run(job, static_cast<const uint16_t*>(x), static_cast<uint16_t*>(y), begin, end);
    case 4: return run(job, static_cast<const uint32_t*>(x), static_cast<uint32_t*>(y), begin, end);
    default: return run(job, static_cast<const uint64_t*>(x), static_cast<uint64_t*>(y), begin, end);
  }
}

}  // namespace

extern const MoveKernels move;
const MoveKernels move{move_elements};

}  // namespace hone::kernels::HONE_ISA
