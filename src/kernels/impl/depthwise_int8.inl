// Depthwise convolution in 8 bits. The bytes of four kernel rows are brought together per channel (load_taps) and
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

void pack(const DepthwiseShape& s, const int8_t* w, DType x_type, int x_zero, void* packed) {
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
    start[c] = -zero * sum;
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
  const uint8_t* zero;  ///< kLanes bytes of the zero point
  const int32_t* start;
  const uint8_t* w;
  int64_t block;        ///< bytes of packed weights per block of channels
  int flip;             ///< 0x80808080 moves i8 to u8
  void* y;
  int64_t in_row;       ///< input row of the first kernel row; may lie outside
  int64_t out_index;    ///< element of the first output column of the row
};

/// Channels from c of the R x T outputs from column `ow`. Edge: rows or columns may lie outside of the input.
template <int K, int S, int R, int T, bool Edge, class M>
HONE_INLINE void tile_block(const RowJob& job, const uint8_t* weights, int64_t ow, int64_t c, const M& m) {
  constexpr int G = (K + 3) / 4, kRows = K + (R - 1) * S;
  const DepthwiseShape& s = *job.s;
  const int64_t channels = s.channels, first = ow * S - s.pad_left, width = s.width;
  const VI flip = set1i(job.flip);
  VI acc[R * T];
  unroll<R * T>(HONE_EACH { acc[i] = load_i32(job.start + c); });
#pragma GCC unroll 1
  for (int g = 0; g < G; ++g) {
    TapWeights w[R * K];
    unroll<R * K>(HONE_EACH { w[i] = load_weights(weights + ((i / K * G + g) * K + i % K) * kVector); });
    const uint8_t* row[4];
    int64_t step[4];
    unroll<4>(HONE_EACH {
      int64_t ih = job.in_row + g * 4 + i;
      if (g * 4 + i >= kRows) ih = job.in_row + kRows - 1;  // weight 0: any row will do
      const bool inside = !Edge || (ih >= 0 && ih < s.height);
      row[i] = inside ? job.x + (ih * width + first) * channels + c : job.zero;
      step[i] = inside ? channels : 0;
    });
    unroll<(T - 1) * S + K>([&](auto j) __attribute__((always_inline)) {
      Taps x = splat_taps(*job.zero ^ job.flip);
      if (!Edge || __builtin_expect(static_cast<uint64_t>(first + j) < static_cast<uint64_t>(width), 1))
        x = load_taps(row[0], row[1], row[2], row[3], flip, m);
      unroll<4>(HONE_EACH { row[i] += Edge ? step[i] : channels; });
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
    finish<T>(*job.post, cp, v, job.y, job.out_index + (r * s.out_width + ow) * channels + c, channels, m);
  });
}

template <int K, int S, int R, int T, bool Edge>
HONE_NOINLINE void tile(const RowJob& job, int64_t ow) {
  const int64_t channels = job.s->channels, block = job.block;
  const uint8_t* w = job.w;
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes, w += block) tile_block<K, S, R, T, Edge>(job, w, ow, c, Full{});
  if (c < channels) tile_block<K, S, R, T, true>(job, w, ow, c, Part(static_cast<int>(channels - c)));
}

/// R output rows.
template <int K, int S, int R>
void rows(const RowJob& job) {
  const DepthwiseShape& s = *job.s;
  const bool edge_row = job.in_row < 0 || job.in_row + K + (R - 1) * S > s.height;
  for_tiles(s.out_width, [&](auto columns, int64_t ow) {
    constexpr int T = decltype(columns)::value;
    const int64_t first = ow * S - s.pad_left;
    if (edge_row || first < 0 || first + (T - 1) * S + K > s.width)
      tile<K, S, R, T, true>(job, ow);
    else
      tile<K, S, R, T, false>(job, ow);
  });
}

/// Any kernel, stride and dilation.
template <int T, class M>
void any_block(const RowJob& job, int64_t ow, int64_t c, const M& m) {
  const DepthwiseShape& s = *job.s;
  const int groups = groups_of(s);
  const uint8_t* block = job.w + c / kLanes * job.block;
  const VI flip = set1i(job.flip);
  VI acc[T];
  unroll<T>(HONE_EACH { acc[i] = load_i32(job.start + c); });
  for (int g = 0; g < groups; ++g) {
    const uint8_t* row[4];
    for (int i = 0; i < 4; ++i) {
      const int64_t ih = job.in_row + static_cast<int64_t>(g * 4 + i) * s.dilation_h;
      row[i] = g * 4 + i < s.kernel_h && ih >= 0 && ih < s.height ? job.x + ih * s.width * s.channels + c : nullptr;
    }
    for (int kw = 0; kw < s.kernel_w; ++kw) {
      const TapWeights w = load_weights(block + (g * s.kernel_w + kw) * kVector);
      const int64_t first = ow * s.stride_w - s.pad_left + static_cast<int64_t>(kw) * s.dilation_w;
      unroll<T>(HONE_EACH {
        const int64_t iw = first + i * static_cast<int64_t>(s.stride_w);
        const bool inside = iw >= 0 && iw < s.width;
        const uint8_t* p[4];
        for (int k = 0; k < 4; ++k) p[k] = inside && row[k] ? row[k] + iw * s.channels : job.zero;
        acc[i] = dot4(acc[i], load_taps(p[0], p[1], p[2], p[3], flip, m), w);
      });
    }
  }
  VF v[T];
  unroll<T>(HONE_EACH { v[i] = to_float(acc[i]); });
  finish<T>(*job.post, load_post(*job.post, c, m), v, job.y, job.out_index + ow * s.channels + c, s.channels, m);
}

void row_any(const RowJob& job) {
  const int64_t width = job.s->out_width, channels = job.s->channels;
  for (int64_t ow = 0; ow < width;) {
    const bool four = ow + 4 <= width;
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) four ? any_block<4>(job, ow, c, Full{}) : any_block<1>(job, ow, c, Full{});
    if (c < channels) {
      Part m(static_cast<int>(channels - c));
      four ? any_block<4>(job, ow, c, m) : any_block<1>(job, ow, c, m);
    }
    ow += four ? 4 : 1;
  }
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
  const Post post = prepare(epilogue);
  uint8_t zero[kLanes];
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
