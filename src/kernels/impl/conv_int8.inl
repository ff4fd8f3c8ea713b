// Convolution of 8-bit integers: four input channels a step, with VNNI u8 x i8 into 32 bits; without it, both are
// widened to 16 bits first (the weights when they are packed). Nothing saturates.
#include <type_traits>

#include "kernels/impl/conv_tiles.inl"
#include "kernels/simd/byte_rows.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kStepBytes = kTapBytes * kLanes;  ///< weights of four input channels for one vector
constexpr int kInt8TileVectors = kTapBytes == 4 ? 24 : kLanes == 16 ? 20 : 8;

// Packed: per block, [tap][input channel / 4][vector] of kStepBytes. Behind all blocks: the correction of each output
// channel (i32, in blocks of lanes) and a row of zero points for padding.
HONE_INLINE int64_t panel_bytes(const ConvShape& s) {
  return s.taps() * s.group_channels() / 4 * kStepBytes;
}  // of one vector

size_t conv_int8_packed_bytes(const ConvShape& s) {
  return static_cast<size_t>(all_vectors(s) * (panel_bytes(s) + kLanes * 4) + s.group_channels() + 64);
}
HONE_INLINE const int32_t* corrections(const ConvShape& s, const uint8_t* packed) {
  return reinterpret_cast<const int32_t*>(packed + all_vectors(s) * panel_bytes(s));
}
HONE_INLINE const uint8_t* outside_row(const ConvShape& s, const uint8_t* packed) {
  return packed + all_vectors(s) * (panel_bytes(s) + kLanes * 4);
}

/// i8 input is read as u8 by flipping the sign bit: x + 128, which the correction takes back.
void conv_int8_pack(const ConvShape& s, const int8_t* w, DType x_type, int x_zero, const int32_t* start, void* memory,
                    int64_t begin, int64_t end) {
  uint8_t* packed = static_cast<uint8_t*>(memory);
  const int64_t depth = s.group_channels(), taps = s.taps();
  int32_t* correction = const_cast<int32_t*>(corrections(s, packed));
  const int offset = x_type == DType::i8 ? x_zero + 128 : x_zero;
  for (int64_t index = begin; index < end; ++index) {
    const Block b = block_at(s, index);
    uint8_t* panel = packed + vectors_before(s, index) * panel_bytes(s);
    const int64_t channel = b.group * s.group_out_channels() + b.first;
    const int8_t* first = w + channel * depth * taps;
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t k = 0; k < depth; k += 4)
        for (int v = 0; v < b.vectors; ++v, panel += kStepBytes)
          for (int lane = 0; lane < kLanes; ++lane)
            for (int i = 0, c = v * kLanes + lane; i < 4; ++i)
              put_weight(panel, lane, tap_of[i], c < b.channels ? first[(c * depth + k + i) * taps + tap] : 0);
    int32_t* sums = correction + vectors_before(s, index) * kLanes;
    for (int c = 0; c < b.vectors * kLanes; ++c) {
      int32_t sum = 0;
      for (int64_t i = 0; c < b.channels && i < depth * taps; ++i) sum += first[c * depth * taps + i];
      sums[c] = (start && c < b.channels ? start[channel + c] : 0) - offset * sum;
    }
  }
  if (begin > 0) return;
  uint8_t* row = const_cast<uint8_t*>(outside_row(s, packed));
  for (int64_t k = 0; k < depth + 64; ++k) row[k] = static_cast<uint8_t>(x_zero);
}

/// Where the pixels of a tile read, for one tap: anywhere, or one step apart. The latter needs few registers.
template <int P>
struct Scattered {
  const uint8_t* a[P];
  HONE_INLINE void advance(int64_t n) { unroll<P>(HONE_EACH { a[i] += n; }); }
  template <int p>
  HONE_INLINE const uint8_t* at(int k) const {
    return a[p] + k;
  }
};
template <int P>
struct Spaced {
  const uint8_t *a, *b, *c;  ///< pixels 0, 4 and 8
  int64_t step, step3;
  HONE_INLINE Spaced(const uint8_t* first, int64_t distance)
      : a(first), b(first + 4 * distance), c(first + 8 * distance), step(distance), step3(3 * distance) {}
  HONE_INLINE void advance(int64_t n) {
    a += n, b += n, c += n;
    asm("" : "+r"(a), "+r"(b), "+r"(c), "+r"(step), "+r"(step3));  // else the compiler makes a pointer of every pixel
  }
  template <int p>
  HONE_INLINE const uint8_t* at(int k) const {
    const uint8_t* base = p < 4 ? a : p < 8 ? b : c;
    return base + (p % 4 == 0 ? 0 : p % 4 == 1 ? step : p % 4 == 2 ? 2 * step : step3) + k;
  }
};

#if defined(__AVX512VNNI__)
// Left to itself, the compiler writes all accumulators of a large tile to memory and back every few steps.
HONE_INLINE void accumulate(VI& acc, const Taps& x, const TapWeights& w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x.bytes), "v"(w.w));
}
HONE_INLINE void accumulate(VI& acc, const Taps& x, const uint8_t* w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x.bytes), "m"(*reinterpret_cast<const __m512i_u*>(w)));
}
/// Tiles of which there are as many accumulators that one vector of weights has no register.
constexpr bool crowded(int pixels, int vectors) { return pixels * vectors + vectors + 1 > 32; }
#else
HONE_INLINE void accumulate(VI& acc, const Taps& x, const TapWeights& w) { acc = dot4(acc, x, w); }
HONE_INLINE void accumulate(VI& acc, const Taps& x, const uint8_t* w) { acc = dot4(acc, x, load_weights(w)); }
constexpr bool crowded(int, int) { return false; }
#endif

template <int P, int V, bool Flip, class Places>
HONE_INLINE void step(const Places& x, int k, const uint8_t* w, VI (&acc)[P * V]) {
  constexpr int kept = crowded(P, V) ? V - 1 : V;
  TapWeights b[kept];
  unroll<kept>(HONE_EACH { b[i] = load_weights(w + i * kStepBytes); });
  const VI flip = set1i(Flip ? static_cast<int>(0x80808080u) : 0);
  unroll<P>([&](auto p) __attribute__((always_inline)) {
    const Taps taps = splat_four(x.template at<decltype(p)::value>(k), flip);
    unroll<kept>(HONE_EACH { accumulate(acc[p * V + i], taps, b[i]); });
    if constexpr (kept < V) accumulate(acc[p * V + kept], taps, w + kept * kStepBytes);
  });
}

/// What is read next is brought near while a tile is computed, two lines for 16 channels: more would cost time where
/// weights lie in the cache anyway.
struct Ahead {
  const uint8_t *at, *end;
  HONE_INLINE void fetch(int line) const { __builtin_prefetch(at + line * 64, 0, 2); }
};

/// One tap of all channels; returns where the next tap's weights begin.
template <int P, int V, bool Flip, class Places>
HONE_INLINE const uint8_t* add_tap(Places x, int64_t depth, const uint8_t* w, Ahead& ahead, VI (&acc)[P * V]) {
  int64_t left = depth;
  for (; left >= 16; left -= 16, w += 4 * V * kStepBytes, x.advance(16)) {
    if constexpr (V == kMaxVectors) {
      unroll<2>(HONE_EACH { ahead.fetch(i); });
      ahead.at += 2 * 64;
    }
    step<P, V, Flip>(x, 0, w, acc);
    step<P, V, Flip>(x, 4, w + V * kStepBytes, acc);
    step<P, V, Flip>(x, 8, w + 2 * V * kStepBytes, acc);
    step<P, V, Flip>(x, 12, w + 3 * V * kStepBytes, acc);
  }
  for (; left > 0; left -= 4, w += V * kStepBytes, x.advance(4)) step<P, V, Flip>(x, 0, w, acc);
  return w;
}

/// What the tiles of a block have in common.
struct Tiles {
  const ConvShape& s;
  const Post& post;
  bool rows;  ///< 8-bit output that finish_rows() or finish_sums_of() makes
  int64_t depth, taps;
  const uint8_t* w;
  const int32_t* correction;
  int64_t channel;
  int channels;
  void* y;
  int64_t tap_offsets[conv_max_taps];
  Ahead ahead;
};

template <int P, int V, bool Flip, class PlacesOf>
HONE_INLINE void conv_int8_sum(Tiles& t, PlacesOf places, int64_t pixel) {
  const Post& post = t.post;
  const int64_t step = t.s.y_row();
  if (post.sum) {  // in the cache by the time that it is added
    const char* residual = static_cast<const char*>(post.e->residual) + pixel * step + t.channel;
    unroll<P>(HONE_EACH { __builtin_prefetch(residual + i * step); });
  }
  VI acc[P * V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const VI start = load_i32(t.correction + v * kLanes);
    unroll<P>(HONE_EACH { acc[i * V + v] = start; });
  });
  const uint8_t* w = t.w;
  Ahead ahead = t.ahead;
  for (int64_t tap = 0; tap < t.taps; ++tap) w = add_tap<P, V, Flip>(places(tap), t.depth, w, ahead, acc);
  t.ahead.at = ahead.at < ahead.end ? ahead.at : t.w;
#if defined(__AVX512BW__)
  if (t.rows && !post.sum) return finish_rows<P, V>(post, t.channel, t.channels, step, t.y, pixel, acc);
  if (t.rows) {
    VI copy[P * V];  // the accumulators themselves stay in registers
    unroll<P * V>(HONE_EACH { copy[i] = acc[i]; });
    return finish_sums_of<V>(post, t.channel, t.channels, copy, P, pixel * step + t.channel, step, t.y);
  }
#endif
  finish_tile<P, V>(post, t.channel, t.channels, step, t.y, pixel,
                    [&](auto p, auto v) __attribute__((always_inline)) { return to_float(acc[p * V + v]); });
}

template <int P, int V, bool Flip>
HONE_NOINLINE void conv_int8_tile(Tiles& t, const uint8_t* const* pointers, int64_t pixel) {
  const auto places = [&](int64_t tap) __attribute__((always_inline)) {
    Scattered<P> x;
    unroll<P>(HONE_EACH { x.a[i] = pointers[tap * P + i]; });
    return x;
  };
  conv_int8_sum<P, V, Flip>(t, places, pixel);
}

/// The same for pixels of one row that read nothing outside of the image: `first` is where the first one's window
/// begins.
template <int P, int V, bool Flip>
HONE_NOINLINE void conv_int8_row_tile(Tiles& t, const uint8_t* first, int64_t pixel) {
  const int64_t distance = t.s.stride_w * t.s.channels;
  const auto places = [&](int64_t tap)
                          __attribute__((always_inline)) { return Spaced<P>(first + t.tap_offsets[tap], distance); };
  conv_int8_sum<P, V, Flip>(t, places, pixel);
}

/// f(Index<size>) for a size of 1 to Most.
template <int Most, class F>
HONE_INLINE void with_size(int64_t size, F f) {
  if constexpr (Most > 1)
    if (size < Most) return with_size<Most - 1>(size, f);
  f(Index<Most>{});
}

/// Tiles of at most `Most` pixels over [begin, end): f(Index<pixels>, first pixel). The last ones are of equal size
/// where all sizes are compiled: a tile of one or two pixels takes as long as one of twice as many.
template <int Most, class F>
HONE_INLINE void for_even_tiles(int64_t begin, int64_t end, F f) {
  if constexpr (Most > 7) {
    for_pixel_tiles<Most>(begin, end, f);
  } else {
    while (begin < end) {
      const int64_t left = end - begin;
      const int64_t size = left <= Most ? left : left < 2 * Most && left % Most != 0 ? (left + 1) / 2 : Most;
      with_size<Most>(size, [&](auto pixels) __attribute__((always_inline)) { f(pixels, begin); });
      begin += size;
    }
  }
}

/// walk_tiles() of conv_tiles.inl with even tiles.
template <int Most, class Row, class Any>
HONE_INLINE void walk_even_tiles(const ConvShape& s, const uint8_t* x, const uint8_t* outside, int64_t begin,
                                 int64_t end, Row row, Any any) {
  if (pointwise(s))
    return for_even_tiles<Most>(begin, end, [&](auto pixels, int64_t pixel) __attribute__((always_inline)) {
      row(pixels, x + pixel * s.channels, pixel);
    });
  const uint8_t* pointers[conv_max_taps * kMaxPixels];
  Cursor at = cursor_at(s, begin);
  // Tiles within a row find their input in a fraction of the time. Narrow rows would leave too many small tiles.
  const bool by_rows = s.out_width >= 2 * Most || s.out_width == Most;
  while (begin < end) {
    const int64_t row_end = begin + s.out_width - at.ow, stop = by_rows && row_end < end ? row_end : end;
    for_even_tiles<Most>(begin, stop, [&](auto pixels, int64_t pixel) __attribute__((always_inline)) {
      constexpr int P = decltype(pixels)::value;
      if (const uint8_t* first = inside(s, x, at, P)) {
        at.ow += P;
        if (at.ow == s.out_width) next_row(s, at);
        return row(pixels, first, pixel);
      }
      make_pointers<uint8_t, P>(s, x, outside, at, pointers);
      any(pixels, static_cast<const uint8_t* const*>(pointers), pixel);
    });
    begin = stop;
  }
}

/// One block of output channels.
template <int V, bool Flip>
void conv_int8_block(Tiles& t, const uint8_t* x, const uint8_t* outside, int64_t begin, int64_t end) {
  constexpr int fit = kInt8TileVectors / V < kMaxPixels ? kInt8TileVectors / V : kMaxPixels;
  constexpr int most = fit == 6 && !Flip ? 7 : fit;  // the image of many networks is 7 times a power of 2
  walk_even_tiles<most>(
      t.s, x, outside, begin, end,
      [&](auto pixels, const uint8_t* first, int64_t pixel) __attribute__((always_inline)) {
        conv_int8_row_tile<decltype(pixels)::value, V, Flip>(t, first, pixel);
      },
      [&](auto pixels, const uint8_t* const* pointers, int64_t pixel) __attribute__((always_inline)) {
        conv_int8_tile<decltype(pixels)::value, V, Flip>(t, pointers, pixel);
      });
}

/// Pixels whose input and output stay in the second-level cache while all channel blocks pass over them: whole rows,
/// or whole tiles.
HONE_INLINE int64_t int8_chunk(const ConvShape& s) {
  const int64_t pixels = chunk_pixels(s, 1, s.out_channels);
  if (!pointwise(s) && pixels >= s.out_width) return pixels / s.out_width * s.out_width;
  return pixels < 168 ? pixels / 84 * 84 : pixels / 168 * 168;
}

template <bool Flip>
void conv_int8_range(const ConvShape& s, const uint8_t* x, const uint8_t* w, const Post& post, void* y,
                     const ConvRange& range) {
  const int64_t chunk = int8_chunk(s), depth = s.group_channels(), taps = s.taps();
  const float most = 256.0f * 128.0f * static_cast<float>(depth * taps);
  const auto* after = static_cast<const uint8_t*>(range.ahead);
  Tiles t{s, post, kByteRows && stays_small(post, s.out_channels, most), depth, taps, w, nullptr, 0, 0, y, {}, {w, w}};
  set_tap_offsets(s, t.tap_offsets);
  for (int64_t begin = range.pixel_begin; begin < range.pixel_end; begin += chunk) {
    const int64_t end = begin + chunk < range.pixel_end ? begin + chunk : range.pixel_end;
    for (int64_t index = range.block_begin; index < range.block_end; ++index) {
      const Block b = block_at(s, index);
      const int64_t before = vectors_before(s, index), bytes = b.vectors * panel_bytes(s);
      t.w = w + before * panel_bytes(s);
      t.correction = corrections(s, w) + before * kLanes;
      t.channel = b.group * s.group_out_channels() + b.first;
      t.channels = b.channels;
      const bool last = index + 1 == range.block_end;
      if (!last) t.ahead = {t.w + bytes, t.w + 2 * bytes};
      else if (end == range.pixel_end && after) t.ahead = {after, after + range.ahead_bytes};
      else t.ahead = {t.w, t.w};
      const uint8_t *in = x + b.group * depth, *outside = outside_row(s, w);
      switch (b.vectors) {
        case 1: conv_int8_block<1, Flip>(t, in, outside, begin, end); break;
        case 2: conv_int8_block<2, Flip>(t, in, outside, begin, end); break;
        case 3:
          if constexpr (kMaxVectors == 4) conv_int8_block<3, Flip>(t, in, outside, begin, end);
          break;
        default:
          if constexpr (kMaxVectors == 4) conv_int8_block<4, Flip>(t, in, outside, begin, end);
      }
    }
  }
}

void conv_int8_run(const ConvShape& s, const void* x, DType x_type, const void* packed, const Epilogue& epilogue,
                   void* y, const ConvRange& range) {
  const Post post = prepare(epilogue);
  const uint8_t *in = static_cast<const uint8_t*>(x), *w = static_cast<const uint8_t*>(packed);
  if (x_type == DType::i8) conv_int8_range<true>(s, in, w, post, y, range);
  else conv_int8_range<false>(s, in, w, post, y, range);
}

}  // namespace

extern const ConvInt8Kernels conv_int8;
const ConvInt8Kernels conv_int8 = {count_blocks, conv_int8_packed_bytes, conv_int8_pack, conv_int8_run};

}  // namespace hone::kernels::HONE_ISA
