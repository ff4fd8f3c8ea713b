// Depthwise convolution in 8 bits. The bytes of four kernel rows are brought together per channel (load_group) and
// multiplied with four weights at once. One such column serves every output column it belongs to and, where the
// kernel rows of two output rows fit the same groups of four, two output rows: their weights differ by a shift.
#include "kernels/depthwise.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kVector = kLanes * kTapBytes;  ///< bytes of packed weights: four taps of a block of channels

HONE_INLINE int groups_of(const DepthwiseShape& s) { return (s.kernel_h + 3) / 4; }
/// Output rows that are computed together.
HONE_INLINE int rows_of(const DepthwiseShape& s) {
  return s.dilation_h == 1 && (s.kernel_h + s.stride_h + 3) / 4 == groups_of(s) ? 2 : 1;
}
HONE_INLINE int64_t blocks_of(const DepthwiseShape& s) { return (s.channels + kLanes - 1) / kLanes; }
HONE_INLINE int64_t block_bytes(const DepthwiseShape& s) {
  return static_cast<int64_t>(rows_of(s)) * groups_of(s) * s.kernel_w * kVector;
}

// Layout: the accumulators' start, i32 [blocks * kLanes]; then [blocks][rows][groups][kernel_w][kVector].
size_t packed_bytes(const DepthwiseShape& s) {
  return static_cast<size_t>(blocks_of(s) * (kLanes * 4 + block_bytes(s)));
}

void pack(const DepthwiseShape& s, const int8_t* w, DType x_type, int x_zero, const int32_t* bias, void* packed) {
  const int rows = rows_of(s), groups = groups_of(s);
  const int zero = x_type == DType::u8 ? x_zero : x_zero + 128;  // i8 input is moved to u8
  auto* start = static_cast<int32_t*>(packed);
  auto* taps = static_cast<uint8_t*>(packed) + blocks_of(s) * kLanes * 4;
  __builtin_memset(packed, 0, packed_bytes(s));
  for (int64_t c = 0; c < s.channels; ++c) {
    const int8_t* filter = w + c * s.kernel_h * s.kernel_w;
    uint8_t* block = taps + c / kLanes * block_bytes(s);
    int sum = 0;
    for (int i = 0; i < s.kernel_h * s.kernel_w; ++i) sum += filter[i];
    start[c] = (bias ? bias[c] : 0) - zero * sum;
    for (int r = 0; r < rows; ++r)
      for (int kh = 0; kh < s.kernel_h; ++kh)
        for (int kw = 0; kw < s.kernel_w; ++kw) {
          const int at = kh + r * s.stride_h;
          put_weight(block + ((r * groups + at / 4) * s.kernel_w + kw) * kVector, static_cast<int>(c % kLanes), at % 4,
                     filter[kh * s.kernel_w + kw]);
        }
  }
}

struct RowJob {
  const DepthwiseShape* s;
  const Post* post;
  const uint8_t* x;     ///< image
  const uint8_t* zero;  ///< kGroup bytes of the zero point
  const int32_t* start;
  const uint8_t* w;
  int64_t block;        ///< bytes of packed weights per block of channels
  int flip;             ///< 0x80808080 moves i8 to u8
  void* y;
  int64_t in_row;       ///< input row of the first kernel row; may lie outside
  int64_t out_index;    ///< element of the first output column of the row
};

/// The taps of `columns` input columns from `first`, for four kernel rows from `row0` and the n channels from c:
/// x[vector * columns + column]. What lies outside of the input is the zero point.
HONE_INLINE void load_columns(const RowJob& job, int64_t row0, int rows, int64_t first, int columns, int64_t c, int n,
                              Taps* x) {
  const DepthwiseShape& s = *job.s;
  const VI flip = set1i(job.flip);
  const uint8_t* row[4];
  int64_t step[4];
  unroll<4>(HONE_EACH {
    int64_t ih = row0 + i;
    if (i >= rows) ih = row0 + rows - 1;  // weight 0: any row will do
    const bool inside = ih >= 0 && ih < s.height;
    step[i] = inside ? s.channels : 0;
    row[i] = inside ? job.x + (ih * s.width + first) * s.channels + c : job.zero;
  });
  const Taps outside = splat_taps(*job.zero ^ job.flip);
  const auto put = [&](auto load) __attribute__((always_inline)) {
    for (int j = 0; j < columns; ++j) {
      if (static_cast<uint64_t>(first + j) < static_cast<uint64_t>(s.width))
        load(x + j);
      else
        unroll<4>(HONE_EACH { x[i * columns + j] = copy_of(outside); });
      unroll<4>(HONE_EACH { row[i] += step[i]; });
    }
  };
  if (n > kLanes)
    put([&](Taps* at) __attribute__((always_inline)) { load_group(row, n, flip, at, columns); });
  else
    put([&](Taps* at) __attribute__((always_inline)) { load_narrow(row, n, flip, at); });
}

/// The R x T outputs from column `ow` of the vector of channels from c.
template <int K, int S, int R, int T, class M>
HONE_INLINE void tile_block(const RowJob& job, const Taps* taps, const uint8_t* weights, int64_t ow, int64_t c,
                            const M& m) {
  constexpr int G = (K + 3) / 4, kColumns = (T - 1) * S + K;
  const int64_t channels = job.s->channels;
  VI acc[R * T];
  unroll<R * T>(HONE_EACH { acc[i] = load_i32(job.start + c); });
#pragma GCC unroll 1
  for (int g = 0; g < G; ++g) {
    TapWeights w[R * K];
    unroll<R * K>(HONE_EACH { w[i] = load_weights(weights + ((i / K * G + g) * K + i % K) * kVector); });
    unroll<kColumns>([&](auto j) __attribute__((always_inline)) {
      const Taps x = copy_of(taps[g * 4 * kColumns + j]);
      unroll<T>(HONE_EACH {
        constexpr int t = decltype(i)::value, kw = decltype(j)::value - t * S;
        if constexpr (kw >= 0 && kw < K) {
          acc[t] = dot4(acc[t], x, w[kw]);
          if constexpr (R == 2) acc[T + t] = dot4(acc[T + t], x, w[K + kw]);
        }
      });
    });
  }
  const ChannelPost cp = load_post(*job.post, c, m);
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    VF v[T];
    unroll<T>(HONE_EACH { v[i] = to_float(acc[r * T + i]); });
    finish<T, true>(*job.post, cp, v, job.y, job.out_index + (r * job.s->out_width + ow) * channels + c, channels, m);
  });
}

/// The R x T outputs from column `ow`, all channels: for a group of vectors, first its taps, which several outputs
/// share, then vector by vector the products.
template <int K, int S, int R, int T>
HONE_NOINLINE void tile(const RowJob& job, int64_t ow) {
  constexpr int G = (K + 3) / 4, kRows = K + (R - 1) * S, kColumns = (T - 1) * S + K;
  const int64_t channels = job.s->channels, block = job.block;
  const uint8_t* w = job.w;
  Taps taps[G * 4 * kColumns];
  for (int64_t c0 = 0; c0 < channels; c0 += kGroup) {
    const int n = channels - c0 < kGroup ? static_cast<int>(channels - c0) : kGroup;
    for (int g = 0; g < G; ++g)
      load_columns(job, job.in_row + g * 4, kRows - g * 4, ow * S - job.s->pad_left, kColumns, c0, n,
                   taps + g * 4 * kColumns);
    const Taps* x = taps;
    for (int c = 0; c < n; c += kLanes, x += kColumns, w += block) {
      if (n - c >= kLanes)
        tile_block<K, S, R, T>(job, x, w, ow, c0 + c, Full{});
      else
        tile_block<K, S, R, T>(job, x, w, ow, c0 + c, Part(n - c));
    }
  }
}

/// R output rows.
template <int K, int S, int R>
void rows(const RowJob& job) {
  for_tiles(job.s->out_width, [&](auto columns, int64_t ow) { tile<K, S, R, decltype(columns)::value>(job, ow); });
}

/// Any kernel, stride and dilation: one output and one group of channels at a time.
void any_group(const RowJob& job, int64_t ow, int64_t c0, int n) {
  const DepthwiseShape& s = *job.s;
  const int groups = groups_of(s);
  const VI flip = set1i(job.flip);
  VI acc[4];
  for (int b = 0; b * kLanes < n; ++b) acc[b] = load_i32(job.start + c0 + b * kLanes);
  for (int g = 0; g < groups; ++g)
    for (int kw = 0; kw < s.kernel_w; ++kw) {
      const int64_t iw = ow * s.stride_w - s.pad_left + static_cast<int64_t>(kw) * s.dilation_w;
      const uint8_t* row[4];
      for (int i = 0; i < 4; ++i) {
        const int64_t ih = job.in_row + static_cast<int64_t>(g * 4 + i) * s.dilation_h;
        const bool inside = g * 4 + i < s.kernel_h && ih >= 0 && ih < s.height && iw >= 0 && iw < s.width;
        row[i] = inside ? job.x + (ih * s.width + iw) * s.channels + c0 : job.zero;
      }
      Taps x[4];
      load_group(row, n, flip, x, 1);
      const uint8_t* w = job.w + c0 / kLanes * job.block + (g * s.kernel_w + kw) * kVector;
      for (int b = 0; b * kLanes < n; ++b) acc[b] = dot4(acc[b], x[b], load_weights(w + b * job.block));
    }
  for (int b = 0; b * kLanes < n; ++b) {
    const int64_t c = c0 + b * kLanes, at = job.out_index + ow * s.channels + c;
    const VF v[1] = {to_float(acc[b])};
    if (n - b * kLanes >= kLanes) {
      finish<1, true>(*job.post, load_post(*job.post, c, Full{}), v, job.y, at, 0, Full{});
    } else {
      const Part m(n - b * kLanes);
      finish<1, true>(*job.post, load_post(*job.post, c, m), v, job.y, at, 0, m);
    }
  }
}

void row_any(const RowJob& job) {
  const int64_t channels = job.s->channels;
  for (int64_t ow = 0; ow < job.s->out_width; ++ow)
    for (int64_t c = 0; c < channels; c += kGroup)
      any_group(job, ow, c, channels - c < kGroup ? static_cast<int>(channels - c) : kGroup);
}

using RowFunction = void (*)(const RowJob&);
struct RowFunctions {
  RowFunction two, one;
};

RowFunctions functions_for(const DepthwiseShape& s) {
  const bool plain = s.dilation_h == 1 && s.dilation_w == 1 && s.kernel_h == s.kernel_w && s.stride_h == s.stride_w;
  if (plain && s.kernel_w == 3 && s.stride_w == 1) return {rows<3, 1, 2>, rows<3, 1, 1>};
  if (plain && s.kernel_w == 3 && s.stride_w == 2) return {nullptr, rows<3, 2, 1>};
  if (plain && s.kernel_w == 5 && s.stride_w == 1) return {rows<5, 1, 2>, rows<5, 1, 1>};
  if (plain && s.kernel_w == 5 && s.stride_w == 2) return {rows<5, 2, 2>, rows<5, 2, 1>};
  return {nullptr, row_any};
}

void run(const DepthwiseShape& s, const void* x, DType x_type, int x_zero, const void* packed, const Epilogue& epilogue,
         void* y, int64_t begin, int64_t end) {
  Post post = prepare(epilogue);
  check_range(post, s.channels, 255.0f * 128.0f * static_cast<float>(s.kernel_h * s.kernel_w));
  uint8_t zero[kGroup];
  for (auto& z : zero) z = static_cast<uint8_t>(x_zero);
  const RowFunctions f = functions_for(s);
  const auto* start = static_cast<const int32_t*>(packed);
  const auto* w = static_cast<const uint8_t*>(packed) + blocks_of(s) * kLanes * 4;
  for (int64_t r = begin; r < end;) {
    const int64_t n = r / s.out_height, oh = r % s.out_height;
    const RowJob job{&s,
                     &post,
                     static_cast<const uint8_t*>(x) + n * s.height * s.width * s.channels,
                     zero,
                     start,
                     w,
                     block_bytes(s),
                     x_type == DType::u8 ? 0 : static_cast<int>(0x80808080u),
                     y,
                     oh * s.stride_h - s.pad_top,
                     r * s.out_width * s.channels};
    if (f.two && r + 1 < end && oh + 1 < s.out_height)
      f.two(job), r += 2;
    else
      f.one(job), ++r;
  }
}

}  // namespace

extern const DepthwiseInt8Kernels depthwise_int8;
const DepthwiseInt8Kernels depthwise_int8{packed_bytes, pack, run};

}  // namespace hone::kernels::HONE_ISA
