// Convolution of 8-bit integers: four input channels a step, with VNNI u8 x i8 into 32 bits; without it, both are
// widened to 16 bits first (the weights when they are packed). Nothing saturates.
#include <type_traits>

#include "kernels/impl/conv_tiles.inl"

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
void conv_int8_pack(const ConvShape& s, const int8_t* w, DType x_type, int x_zero, void* memory, int64_t begin,
                    int64_t end) {
  uint8_t* packed = static_cast<uint8_t*>(memory);
  const int64_t depth = s.group_channels(), taps = s.taps();
  int32_t* correction = const_cast<int32_t*>(corrections(s, packed));
  const int offset = x_type == DType::i8 ? x_zero + 128 : x_zero;
  for (int64_t index = begin; index < end; ++index) {
    const Block b = block_at(s, index);
    uint8_t* panel = packed + vectors_before(s, index) * panel_bytes(s);
    const int8_t* first = w + (b.group * s.group_out_channels() + b.first) * depth * taps;
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
      sums[c] = -offset * sum;
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

template <int P, int V, bool Flip, class Places>
HONE_INLINE void step(const Places& x, int k, const uint8_t* w, VI (&acc)[P * V]) {
  TapWeights b[V];
  unroll<V>(HONE_EACH { b[i] = load_weights(w + i * kStepBytes); });
  const VI flip = set1i(Flip ? static_cast<int>(0x80808080u) : 0);
  unroll<P>([&](auto p) __attribute__((always_inline)) {
    const Taps taps = splat_four(x.template at<decltype(p)::value>(k), flip);
    unroll<V>(HONE_EACH { acc[p * V + i] = dot4(acc[p * V + i], taps, b[i]); });
  });
}

/// One tap of all channels; returns where the next tap's weights begin.
template <int P, int V, bool Flip, class Places>
HONE_INLINE const uint8_t* add_tap(Places x, int64_t depth, const uint8_t* w, VI (&acc)[P * V]) {
  int64_t left = depth;
  for (; left >= 16; left -= 16, w += 4 * V * kStepBytes, x.advance(16)) {
    step<P, V, Flip>(x, 0, w, acc);
    step<P, V, Flip>(x, 4, w + V * kStepBytes, acc);
    step<P, V, Flip>(x, 8, w + 2 * V * kStepBytes, acc);
    step<P, V, Flip>(x, 12, w + 3 * V * kStepBytes, acc);
  }
  for (; left > 0; left -= 4, w += V * kStepBytes, x.advance(4)) step<P, V, Flip>(x, 0, w, acc);
  return w;
}

template <int P, int V, bool Flip, class PlacesOf>
HONE_INLINE void conv_int8_sum(const ConvShape& s, PlacesOf places, const uint8_t* w, const int32_t* correction,
                               const Post& post, int64_t channel, int channels, void* y, int64_t pixel) {
  if (post.sum) {  // in the cache by the time that it is added
    const char* residual = static_cast<const char*>(post.e->residual) + pixel * s.out_channels + channel;
    unroll<P>(HONE_EACH { __builtin_prefetch(residual + i * s.out_channels); });
  }
  VI acc[P * V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    VI start = load_i32(correction + v * kLanes);
    unroll<P>(HONE_EACH { acc[i * V + v] = start; });
  });
  const int64_t depth = s.group_channels(), taps = s.taps();
  for (int64_t tap = 0; tap < taps; ++tap) w = add_tap<P, V, Flip>(places(tap), depth, w, acc);
  finish_tile<P, V>(post, channel, channels, s.out_channels, y, pixel,
                    [&](auto p, auto v) __attribute__((always_inline)) { return to_float(acc[p * V + v]); });
}

template <int P, int V, bool Flip>
HONE_NOINLINE void conv_int8_tile(const ConvShape& s, const uint8_t* const* pointers, const uint8_t* w,
                                  const int32_t* correction, const Post& post, int64_t channel, int channels, void* y,
                                  int64_t pixel) {
  const auto places = [&](int64_t tap) __attribute__((always_inline)) {
    Scattered<P> x;
    unroll<P>(HONE_EACH { x.a[i] = pointers[tap * P + i]; });
    return x;
  };
  conv_int8_sum<P, V, Flip>(s, places, w, correction, post, channel, channels, y, pixel);
}

/// The same for pixels of one row that read nothing outside of the image: `first` is where the first one's window
/// begins.
template <int P, int V, bool Flip>
HONE_NOINLINE void conv_int8_row_tile(const ConvShape& s, const uint8_t* first, const int64_t* tap_offsets,
                                      const uint8_t* w, const int32_t* correction, const Post& post, int64_t channel,
                                      int channels, void* y, int64_t pixel) {
  const int64_t distance = s.stride_w * s.channels;
  const auto places = [&](int64_t tap)
                          __attribute__((always_inline)) { return Spaced<P>(first + tap_offsets[tap], distance); };
  conv_int8_sum<P, V, Flip>(s, places, w, correction, post, channel, channels, y, pixel);
}

template <int V, bool Flip>
void conv_int8_block(const ConvShape& s, const uint8_t* x, const uint8_t* packed, int64_t index, const Post& post,
                     void* y, int64_t begin, int64_t end) {
  const Block b = block_at(s, index);
  const int64_t before = vectors_before(s, index);
  const uint8_t* panel = packed + before * panel_bytes(s);
  const int32_t* correction = corrections(s, packed) + before * kLanes;
  const uint8_t* outside = outside_row(s, packed);
  const int64_t channel = b.group * s.group_out_channels() + b.first;
  constexpr int most = kInt8TileVectors / V < kMaxPixels ? kInt8TileVectors / V : kMaxPixels;
  const uint8_t* first = x + b.group * s.group_channels();
  int64_t tap_offsets[conv_max_taps];
  set_tap_offsets(s, tap_offsets);
  const auto tile = [&](auto pixels, const auto& where, int64_t pixel) __attribute__((always_inline)) {
    constexpr int P = decltype(pixels)::value;
    if constexpr (std::is_same_v<std::decay_t<decltype(where)>, const uint8_t*>)
      conv_int8_row_tile<P, V, Flip>(s, where, tap_offsets, panel, correction, post, channel, b.channels, y, pixel);
    else
      conv_int8_tile<P, V, Flip>(s, where, panel, correction, post, channel, b.channels, y, pixel);
  };
  // Results are packed to bytes four pixels at a time. Where there is little to sum up that is most of the work, and
  // tiles of 4 pixels beat the larger ones of 6.
  if (most % 4 != 0 && s.taps() * s.group_channels() <= 256)
    walk_tiles<4, true>(s, first, outside, begin, end, tile);
  else
    walk_tiles<most, true>(s, first, outside, begin, end, tile);
}

template <bool Flip>
void conv_int8_range(const ConvShape& s, const uint8_t* x, const uint8_t* w, const Post& post, void* y,
                     const ConvRange& range) {
  const int64_t chunk = chunk_pixels(s, 1, s.out_channels);
  for (int64_t begin = range.pixel_begin; begin < range.pixel_end; begin += chunk) {
    const int64_t end = begin + chunk < range.pixel_end ? begin + chunk : range.pixel_end;
    for (int64_t index = range.block_begin; index < range.block_end; ++index) {
      switch (block_at(s, index).vectors) {
        case 1: conv_int8_block<1, Flip>(s, x, w, index, post, y, begin, end); break;
        case 2: conv_int8_block<2, Flip>(s, x, w, index, post, y, begin, end); break;
        case 3:
          if constexpr (kMaxVectors == 4) conv_int8_block<3, Flip>(s, x, w, index, post, y, begin, end);
          break;
        default:
          if constexpr (kMaxVectors == 4) conv_int8_block<4, Flip>(s, x, w, index, post, y, begin, end);
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
