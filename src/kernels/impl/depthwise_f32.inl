// Depthwise convolution in f32. A tile is T neighboring output columns of one row; for a block of channels its T
// accumulators stay in registers, and every input column is loaded once per kernel row.
#include "kernels/depthwise.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kPlainRows = 7;  ///< kernel rows of the plain forms

struct RowJob {
  const DepthwiseShape* s;
  const Post* post;
  const float* x;       ///< image
  const float* w;
  void* y;
  int64_t c0, c1;       ///< channels
  int64_t in_row;       ///< input row of the first kernel row; may lie outside
  int64_t out_index;    ///< element of the first output column of the row
  int64_t phase = 0;    ///< dilated rows are done as interleaved ones: columns phase, phase + dilation_w ...
  const float* rows[kPlainRows] = {};  ///< for the plain forms, input rows; nullptr: outside
};

/// Hides where a pointer came from: the compiler would otherwise keep one for every column, and run out of registers.
HONE_INLINE const float* keep(const float* p) {
  asm("" : "+r"(p));
  return p;
}

/// The T output columns from `ow`, V vectors of channels from c: T * V independent sums hide the latency of one.
template <int K, int S, int T, int V, bool Edge, class M>
HONE_INLINE void tile_block(const RowJob& job, int64_t ow, int64_t c, const M& m) {
  const DepthwiseShape& s = *job.s;
  // `ow` counts columns of the phase; neighbors lie `pixel` elements apart.
  const int64_t channels = s.channels, width = s.width, spread = s.dilation_w, pixel = spread * channels;
  const int64_t first = job.phase + ow * S * spread - s.pad_left;
  VF acc[V * T];
  unroll<V * T>(HONE_EACH { acc[i] = zero_f(); });
  const float* wp = job.w + c;
#pragma GCC unroll 1
  for (int kh = 0; kh < K; ++kh, wp += K * channels) {
    if (!job.rows[kh]) continue;
    VF w[V * K];
    const float* tap = wp;
    unroll<K>([&](auto k) __attribute__((always_inline)) {
      unroll<V>(HONE_EACH { w[i * K + k] = load(tap + i * kLanes, m); });
      tap = keep(tap + channels);
    });
    const float* x = job.rows[kh] + first * channels + c;
    unroll<(T - 1) * S + K>([&](auto j) __attribute__((always_inline)) {
      const float* at = x;
      x = keep(x + pixel);
      if (Edge && !__builtin_expect(static_cast<uint64_t>(first + j * spread) < static_cast<uint64_t>(width), 1))
        return;
      unroll<V>([&](auto u) __attribute__((always_inline)) {
        const VF v = keep(load(at + u * kLanes, m));
        unroll<T>(HONE_EACH {
          constexpr int kw = decltype(j)::value - decltype(i)::value * S;
          if constexpr (kw >= 0 && kw < K) acc[u * T + i] = fma(v, w[u * K + kw], acc[u * T + i]);
        });
      });
    });
  }
  const int64_t index = job.out_index + job.phase * channels + ow * pixel + c;
  if (!job.post->simple) {
    VF all[V * T];
    unroll<V * T>(HONE_EACH { all[i] = acc[i]; });
    return finish_others<T>(*job.post, c, V * m.n, all, job.y, index, pixel);
  }
  unroll<V>([&](auto u) __attribute__((always_inline)) {
    VF v[T];
    unroll<T>(HONE_EACH { v[i] = acc[u * T + i]; });
    finish_simple<T>(*job.post, load_post(*job.post, c + u * kLanes, m), v, job.y, index + u * kLanes, pixel, m);
  });
}

template <int K, int S, int T, bool Edge>
HONE_NOINLINE void tile(const RowJob& job, int64_t ow) {
  constexpr int V = kTileMax == 7 && K == 3 && T <= 7 ? 2 : 1;  // as the registers allow
  int64_t c = job.c0;
  if (V > 1)
    for (; c + V * kLanes <= job.c1; c += V * kLanes) tile_block<K, S, T, V, Edge>(job, ow, c, Full{});
  for (; c + kLanes <= job.c1; c += kLanes) tile_block<K, S, T, 1, Edge>(job, ow, c, Full{});
  if (c < job.c1) tile_block<K, S, T, 1, true>(job, ow, c, Part(static_cast<int>(job.c1 - c)));
}

template <int K, int S, int T>
HONE_INLINE void tile(const RowJob& job, int64_t ow) {
  const int64_t spread = job.s->dilation_w, first = job.phase + ow * S * spread - job.s->pad_left;
  if (first < 0 || first + ((T - 1) * S + K - 1) * spread >= job.s->width)
    tile<K, S, T, true>(job, ow);
  else
    tile<K, S, T, false>(job, ow);
}

/// Cuts `width` output columns into tiles: f(Index<columns>, first column). `narrow`: of one vector of channels.
template <bool Twice, class F>
HONE_INLINE void for_columns(int64_t width, bool narrow, F f) {
  if constexpr (kTileMax < 7) return for_tiles(width, f);
  for (int64_t at = 0; at < width;) {
    const int64_t left = width - at;
    if constexpr (Twice) {
      if (narrow && left >= 14) {
        f(Index<14>{}, at), at += 14;
        continue;
      }
    }
    const int64_t next = left >= 14 ? 7 : left > 7 ? (left + 1) / 2 : left;
    switch (next) {
      case 7: f(Index<7>{}, at); break;
      case 6: f(Index<6>{}, at); break;
      case 5: f(Index<5>{}, at); break;
      case 4: f(Index<4>{}, at); break;
      case 3: f(Index<3>{}, at); break;
      case 2: f(Index<2>{}, at); break;
      default: f(Index<1>{}, at);
    }
    at += next;
  }
}

template <int K, int S>
void row(const RowJob& job) {
  static_assert(K <= kPlainRows);
  RowJob part = job;
  for (int kh = 0; kh < K; ++kh) {
    const int64_t ih = job.in_row + static_cast<int64_t>(kh) * job.s->dilation_h;
    const bool inside = ih >= 0 && ih < job.s->height;
    part.rows[kh] = inside ? job.x + ih * job.s->width * job.s->channels : nullptr;
  }
  for (; part.phase < job.s->dilation_w && part.phase < job.s->out_width; ++part.phase) {
    const int64_t width = (job.s->out_width - part.phase + job.s->dilation_w - 1) / job.s->dilation_w;
    for_columns<K == 3>(width, job.c1 - job.c0 <= kLanes,
                        [&](auto columns, int64_t ow) { tile<K, S, decltype(columns)::value>(part, ow); });
  }
}

/// Any kernel, stride and dilation: T output columns, taps outside of the input skipped one by one.
template <int T, class M>
void any_block(const RowJob& job, int64_t ow, int64_t c, const M& m) {
  const DepthwiseShape& s = *job.s;
  VF acc[T];
  unroll<T>(HONE_EACH { acc[i] = zero_f(); });
  for (int kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t ih = job.in_row + static_cast<int64_t>(kh) * s.dilation_h;
    if (ih < 0 || ih >= s.height) continue;
    const float* x = job.x + ih * s.width * s.channels + c;
    for (int kw = 0; kw < s.kernel_w; ++kw) {
      const VF w = load(job.w + (kh * s.kernel_w + kw) * s.channels + c, m);
      const int64_t first = ow * s.stride_w - s.pad_left + static_cast<int64_t>(kw) * s.dilation_w;
      unroll<T>(HONE_EACH {
        const int64_t iw = first + i * static_cast<int64_t>(s.stride_w);
        if (iw >= 0 && iw < s.width) acc[i] = fma(load(x + iw * s.channels, m), w, acc[i]);
      });
    }
  }
  finish<T>(*job.post, load_post(*job.post, c, m), acc, job.y, job.out_index + ow * s.channels + c, s.channels, m);
}

void row_any(const RowJob& job) {
  const int64_t width = job.s->out_width;
  for (int64_t ow = 0; ow < width;) {
    const bool four = ow + 4 <= width;
    int64_t c = job.c0;
    for (; c + kLanes <= job.c1; c += kLanes)
      four ? any_block<4>(job, ow, c, Full{}) : any_block<1>(job, ow, c, Full{});
    if (c < job.c1) {
      Part m(static_cast<int>(job.c1 - c));
      four ? any_block<4>(job, ow, c, m) : any_block<1>(job, ow, c, m);
    }
    ow += four ? 4 : 1;
  }
}

/// Channels to do at a time: the input rows of an output row then stay in the first-level cache for the next one.
int64_t channel_chunk(const DepthwiseShape& s) {
  constexpr int64_t kBudget = 24 * 1024, kStep = 2 * kLanes > 32 ? 2 * kLanes : 32;
  const int64_t fits = kBudget / (4 * s.width * s.kernel_h);
  return fits < kStep ? kStep : fits / kStep * kStep;
}

void run(const DepthwiseShape& s, const float* x, const float* w, const Epilogue& epilogue, void* y, int64_t begin,
         int64_t end) {
  const Post post = prepare(epilogue);
  const bool plain = s.kernel_h == s.kernel_w && (s.stride_w == 1 || (s.stride_w == 2 && s.dilation_w == 1));
  auto row_of = &row_any;
  if (plain && s.kernel_w == 3) row_of = s.stride_w == 1 ? &row<3, 1> : &row<3, 2>;
  if (plain && s.kernel_w == 5) row_of = s.stride_w == 1 ? &row<5, 1> : &row<5, 2>;
  if (plain && s.kernel_w == 7 && s.stride_w == 1) row_of = &row<7, 1>;
  const int64_t chunk = channel_chunk(s);
  for (int64_t c = 0; c < s.channels; c += chunk)
    for (int64_t r = begin; r < end; ++r) {
      const int64_t n = r / s.out_height, oh = r % s.out_height;
      row_of({&s, &post, x + n * s.height * s.width * s.channels, w, y, c,
              c + chunk < s.channels ? c + chunk : s.channels, oh * s.stride_h - s.pad_top,
              r * s.out_width * s.channels});
    }
}

}  // namespace

extern const DepthwiseF32Kernels depthwise_f32;
const DepthwiseF32Kernels depthwise_f32{run};

}  // namespace hone::kernels::HONE_ISA
