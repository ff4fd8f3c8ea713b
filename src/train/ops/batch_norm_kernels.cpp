#include "train/ops/batch_norm_kernels.hpp"

#include <algorithm>
#include <vector>

// One version of each loop an instruction set; the fitting one is chosen when the program is loaded.
#if defined(__x86_64__)
#define HONE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HONE_CLONES
#endif

namespace hone::batch_norm_kernels {

namespace {

/// Few channels make short rows. Several rows in sequence are one row of `width` virtual channels.
struct Layout {
  int64_t width, rows;  ///< of virtual rows
  int64_t tail;         ///< elements after them
};

Layout layout(int64_t rows, int64_t channels) {
  int64_t fold = std::clamp<int64_t>(128 / channels, 1, rows);
  return {channels * fold, rows / fold, rows % fold * channels};
}

std::vector<float> repeated(const float* values, int64_t channels, int64_t width) {
  std::vector<float> result(static_cast<size_t>(width));
  for (int64_t i = 0; i < width; ++i) result[static_cast<size_t>(i)] = values[i % channels];
  return result;
}

HONE_CLONES void add_squares(const float* __restrict x, int64_t rows, int64_t width, const float* __restrict shift,
                             float* __restrict sum, float* __restrict square) {
  for (int64_t row = 0; row < rows; ++row, x += width)
    for (int64_t i = 0; i < width; ++i) {
      float d = x[i] - shift[i];
      sum[i] += d;
      square[i] += d * d;
    }
}

HONE_CLONES void apply_rows(const float* __restrict x, float* __restrict y, int64_t rows, int64_t width,
                            const float* __restrict a, const float* __restrict b, float low, float high) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width)
    for (int64_t i = 0; i < width; ++i) {
      float z = x[i] * a[i] + b[i];
      z = z < low ? low : z;
      y[i] = z > high ? high : z;
    }
}

HONE_CLONES void reduce_rows(const float* __restrict x, const float* __restrict dy, int64_t rows, int64_t width,
                             const float* __restrict a, const float* __restrict b, const float* __restrict mean,
                             float low, float high, float* __restrict sum_g, float* __restrict sum_gx) {
  for (int64_t row = 0; row < rows; ++row, x += width, dy += width)
    for (int64_t i = 0; i < width; ++i) {
      float z = x[i] * a[i] + b[i];
      float g = (z > low) & (z < high) ? dy[i] : 0.0f;
      sum_g[i] += g;
      sum_gx[i] += g * (x[i] - mean[i]);
    }
}

HONE_CLONES void gradient_rows(const float* __restrict x, const float* __restrict dy, float* __restrict dx,
                               int64_t rows, int64_t width, const float* __restrict a, const float* __restrict b,
                               float low, float high, const float* __restrict p, const float* __restrict q,
                               const float* __restrict r) {
  for (int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width)
    for (int64_t i = 0; i < width; ++i) {
      float z = x[i] * a[i] + b[i];
      float g = (z > low) & (z < high) ? dy[i] : 0.0f;
      dx[i] = g * p[i] + x[i] * q[i] + r[i];
    }
}

/// Sums of blocks in float, over blocks in double: as exact as it needs to be for any number of rows.
template <class Block>
void sum_blocks(const Layout& l, int64_t channels, Block block, std::vector<double>& first,
                std::vector<double>& second) {
  constexpr int64_t block_rows = 64;
  std::vector<float> a(static_cast<size_t>(l.width)), b(static_cast<size_t>(l.width));
  auto flush = [&](int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      first[static_cast<size_t>(i % channels)] += static_cast<double>(a[static_cast<size_t>(i)]);
      second[static_cast<size_t>(i % channels)] += static_cast<double>(b[static_cast<size_t>(i)]);
    }
    std::fill(a.begin(), a.end(), 0.0f);
    std::fill(b.begin(), b.end(), 0.0f);
  };
  for (int64_t row = 0; row < l.rows; row += block_rows) {
    block(row * l.width, std::min(block_rows, l.rows - row), l.width, a.data(), b.data());
    flush(l.width);
  }
  if (l.tail > 0) {
    block(l.rows * l.width, 1, l.tail, a.data(), b.data());
    flush(l.tail);
  }
}

}  // namespace

void statistics(const float* x, int64_t rows, int64_t channels, double* sums, double* squares) {
  Layout l = layout(rows, channels);
  // Differences to the first row keep the digits that x * x would lose.
  std::vector<float> shift = repeated(x, channels, l.width);
  std::vector<double> sum(static_cast<size_t>(channels)), square(static_cast<size_t>(channels));
  sum_blocks(
      l, channels,
      [&](int64_t at, int64_t count, int64_t width, float* s, float* q) {
        add_squares(x + at, count, width, shift.data(), s, q);
      },
      sum, square);
  for (int64_t c = 0; c < channels; ++c) {
    auto i = static_cast<size_t>(c);
    double s = shift[i], count = static_cast<double>(rows);
    sums[c] = sum[i] + count * s;
    squares[c] = square[i] + 2 * s * sum[i] + count * s * s;
  }
}

void apply(const float* x, float* y, int64_t rows, int64_t channels, const float* a, const float* b, float low,
           float high) {
  Layout l = layout(rows, channels);
  std::vector<float> wide_a = repeated(a, channels, l.width), wide_b = repeated(b, channels, l.width);
  apply_rows(x, y, l.rows, l.width, wide_a.data(), wide_b.data(), low, high);
  int64_t at = l.rows * l.width;
  if (l.tail > 0) apply_rows(x + at, y + at, 1, l.tail, wide_a.data(), wide_b.data(), low, high);
}

void reduce_gradient(const float* x, const float* dy, int64_t rows, int64_t channels, const float* a, const float* b,
                     const float* mean, float low, float high, double* sum_g, double* sum_gx) {
  Layout l = layout(rows, channels);
  std::vector<float> wide_a = repeated(a, channels, l.width), wide_b = repeated(b, channels, l.width),
                     wide_mean = repeated(mean, channels, l.width);
  std::vector<double> first(static_cast<size_t>(channels)), second(static_cast<size_t>(channels));
  sum_blocks(
      l, channels,
      [&](int64_t at, int64_t count, int64_t width, float* s, float* q) {
        reduce_rows(x + at, dy + at, count, width, wide_a.data(), wide_b.data(), wide_mean.data(), low, high, s, q);
      },
      first, second);
  for (int64_t c = 0; c < channels; ++c) {
    sum_g[c] = first[static_cast<size_t>(c)];
    sum_gx[c] = second[static_cast<size_t>(c)];
  }
}

void apply_gradient(const float* x, const float* dy, float* dx, int64_t rows, int64_t channels, const float* a,
                    const float* b, float low, float high, const float* p, const float* q, const float* r) {
  Layout l = layout(rows, channels);
  auto wide = [&](const float* values) { return repeated(values, channels, l.width); };
  std::vector<float> wa = wide(a), wb = wide(b), wp = wide(p), wq = wide(q), wr = wide(r);
  gradient_rows(x, dy, dx, l.rows, l.width, wa.data(), wb.data(), low, high, wp.data(), wq.data(), wr.data());
  int64_t at = l.rows * l.width;
  if (l.tail > 0)
    gradient_rows(x + at, dy + at, dx + at, 1, l.tail, wa.data(), wb.data(), low, high, wp.data(), wq.data(),
                  wr.data());
}

}  // namespace hone::batch_norm_kernels
