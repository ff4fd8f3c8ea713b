// What f32 and int8 convolutions share: blocks of output channels, tiles of output pixels and their input pointers.
#include "kernels/conv.hpp"
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kMaxVectors = kLanes == 16 ? 4 : 2;             ///< of one block of output channels
constexpr int kBlock = kMaxVectors * kLanes;
constexpr int kTileVectors = kLanes == 16 ? 24 : 12;          ///< accumulators of a tile: pixels x vectors
constexpr int kMaxPixels = 12;

struct Block {
  int64_t group, first;  ///< first output channel within the group
  int channels, vectors;
};

HONE_INLINE int64_t blocks_per_group(const ConvShape& s) { return (s.group_out_channels() + kBlock - 1) / kBlock; }

HONE_INLINE Block block_at(const ConvShape& s, int64_t index) {
  const int64_t per_group = blocks_per_group(s);
  Block b;
  b.group = index / per_group;
  b.first = index % per_group * kBlock;
  const int64_t left = s.group_out_channels() - b.first;
  b.channels = static_cast<int>(left < kBlock ? left : kBlock);
  b.vectors = (b.channels + kLanes - 1) / kLanes;
  return b;
}

[[maybe_unused]] int64_t count_blocks(const ConvShape& s) { return s.groups * blocks_per_group(s); }

/// Vectors of all blocks before `index`: where its panel begins, in panels of one vector.
HONE_INLINE int64_t vectors_before(const ConvShape& s, int64_t index) {
  const int64_t per_group = blocks_per_group(s);
  const int64_t group_vectors = (s.group_out_channels() + kLanes - 1) / kLanes;
  return index / per_group * group_vectors + index % per_group * kMaxVectors;
}
HONE_INLINE int64_t all_vectors(const ConvShape& s) {
  return s.groups * ((s.group_out_channels() + kLanes - 1) / kLanes);
}

/// An output pixel; walking is cheaper than dividing.
struct Cursor {
  int64_t n, oh, ow;
};
HONE_INLINE Cursor cursor_at(const ConvShape& s, int64_t pixel) {
  const int64_t per_image = s.out_height * s.out_width, within = pixel % per_image;
  return {pixel / per_image, within / s.out_width, within % s.out_width};
}

HONE_INLINE void next_row(const ConvShape& s, Cursor& at) {
  at.ow = 0;
  if (++at.oh == s.out_height) at.oh = 0, ++at.n;
}

HONE_INLINE bool pointwise(const ConvShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 &&
         s.pad_left == 0 && s.out_height == s.height && s.out_width == s.width;
}

/// make_pointers() for a tile within one output row: most taps find all its pixels inside, one step apart.
template <class T, int Pixels>
HONE_INLINE void make_row_pointers(const ConvShape& s, const T* x, const T* outside, const Cursor& at, const T** out) {
  const T* image = x + at.n * s.height * s.width * s.channels;
  const int64_t ih0 = at.oh * s.stride_h - s.pad_top, iw0 = at.ow * s.stride_w - s.pad_left,
                step = s.stride_w * s.channels;
  for (int kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t ih = ih0 + static_cast<int64_t>(kh) * s.dilation_h;
    const bool row = static_cast<uint64_t>(ih) < static_cast<uint64_t>(s.height);
    const T* line = image + ih * s.width * s.channels;
    for (int kw = 0; kw < s.kernel_w; ++kw, out += Pixels) {
      const int64_t iw = iw0 + static_cast<int64_t>(kw) * s.dilation_w, last = iw + (Pixels - 1) * s.stride_w;
      if (row && iw >= 0 && last < s.width) {
        const T* first = line + iw * s.channels;
        for (int i = 0; i < Pixels; ++i) out[i] = first + i * step;
      } else {
        for (int i = 0; i < Pixels; ++i) {
          const int64_t column = iw + i * s.stride_w;
          const bool inside = row && static_cast<uint64_t>(column) < static_cast<uint64_t>(s.width);
          out[i] = inside ? line + column * s.channels : outside;
        }
      }
    }
  }
}

/// Where each output pixel of a tile reads, for every tap: pointers[tap * pixels + i]. Moves the cursor behind the
/// tile.
template <class T, int Pixels>
HONE_INLINE void make_pointers(const ConvShape& s, const T* x, const T* outside, Cursor& at, const T** pointers) {
  if (at.ow + Pixels <= s.out_width) {
    make_row_pointers<T, Pixels>(s, x, outside, at, pointers);
    at.ow += Pixels;
    if (at.ow == s.out_width) next_row(s, at);
    return;
  }
  for (int i = 0; i < Pixels; ++i) {
    const T* image = x + (at.n * s.height * s.width) * s.channels;
    const int64_t ih0 = at.oh * s.stride_h - s.pad_top, iw0 = at.ow * s.stride_w - s.pad_left;
    const T** out = pointers + i;
    for (int kh = 0; kh < s.kernel_h; ++kh) {
      const int64_t ih = ih0 + static_cast<int64_t>(kh) * s.dilation_h;
      const bool row = static_cast<uint64_t>(ih) < static_cast<uint64_t>(s.height);
      const T* line = image + ih * s.width * s.channels;
      for (int kw = 0; kw < s.kernel_w; ++kw, out += Pixels) {
        const int64_t iw = iw0 + static_cast<int64_t>(kw) * s.dilation_w;
        *out = row && static_cast<uint64_t>(iw) < static_cast<uint64_t>(s.width) ? line + iw * s.channels : outside;
      }
    }
    if (++at.ow == s.out_width) next_row(s, at);
  }
}

/// Epilogue and store of a tile's accumulators, given as floats by value(pixel, vector).
template <int Pixels, int Vectors, class Value>
HONE_INLINE void finish_tile(const Post& post, int64_t channel, int channels, int64_t out_channels, void* y,
                             int64_t pixel, Value value) {
  if (!post.simple) {
    VF all[Vectors * Pixels];
    unroll<Vectors>([&](auto v) __attribute__((always_inline)) {
      unroll<Pixels>(HONE_EACH { all[v * Pixels + i] = value(i, v); });
    });
    return finish_others<Pixels>(post, channel, channels, all, y, pixel * out_channels + channel, out_channels);
  }
  unroll<Vectors>([&](auto v) __attribute__((always_inline)) {
    VF out[Pixels];
    unroll<Pixels>(HONE_EACH { out[i] = value(i, v); });
    const int64_t c = channel + v * kLanes;
    const int left = channels - v * kLanes;
    if (left >= kLanes)
      finish_simple<Pixels>(post, load_post(post, c, Full{}), out, y, pixel * out_channels + c, out_channels, Full{});
    else
      finish_simple<Pixels>(post, load_post(post, c, Part(left)), out, y, pixel * out_channels + c, out_channels,
                            Part(left));
  });
}

/// Walks tiles of at most `Most` pixels over [begin, end): f(Index<pixels>, first pixel).
template <int Most, class F>
HONE_INLINE void for_pixel_tiles(int64_t begin, int64_t end, F f) {
  while (end - begin >= Most) f(Index<Most>{}, begin), begin += Most;
  if constexpr (Most > 8)
    while (end - begin >= 8) f(Index<8>{}, begin), begin += 8;
  if constexpr (Most > 4)
    while (end - begin >= 4) f(Index<4>{}, begin), begin += 4;
  if constexpr (Most > 2)
    while (end - begin >= 2) f(Index<2>{}, begin), begin += 2;
  if (begin < end) f(Index<1>{}, begin), ++begin;
  if (begin < end) f(Index<1>{}, begin);
}

/// How far from the first tap of a window each tap reads.
[[maybe_unused]] void set_tap_offsets(const ConvShape& s, int64_t* offsets) {
  for (int64_t kh = 0; kh < s.kernel_h; ++kh)
    for (int64_t kw = 0; kw < s.kernel_w; ++kw)
      *offsets++ = (kh * s.dilation_h * s.width + kw * s.dilation_w) * s.channels;
}

/// Where the first window of a tile begins when the tile lies within a row and all its windows within the image, or
/// nullptr.
template <class T>
HONE_INLINE const T* inside(const ConvShape& s, const T* x, const Cursor& at, int pixels) {
  const int64_t ih = at.oh * s.stride_h - s.pad_top, iw = at.ow * s.stride_w - s.pad_left;
  const int64_t last_h = ih + static_cast<int64_t>(s.kernel_h - 1) * s.dilation_h;
  const int64_t last_w =
      iw + static_cast<int64_t>(pixels - 1) * s.stride_w + static_cast<int64_t>(s.kernel_w - 1) * s.dilation_w;
  if (at.ow + pixels > s.out_width || ih < 0 || iw < 0 || last_h >= s.height || last_w >= s.width) return nullptr;
  return x + ((at.n * s.height + ih) * s.width + iw) * s.channels;
}

/// The tiles of one block of output channels: tile(Index<pixels>, pointers, first pixel), and, with Rows, also
/// tile(Index<pixels>, begin of the first window, first pixel) for tiles that lie inside(). `x` begins at the block's
/// group.
template <int Most, bool Rows, class T, class F>
HONE_INLINE void walk_tiles(const ConvShape& s, const T* x, const T* outside, int64_t begin, int64_t end, F tile) {
  const T* pointers[conv_max_taps * kMaxPixels];
  if (pointwise(s)) {
    for_pixel_tiles<Most>(begin, end, [&](auto pixels, int64_t pixel) __attribute__((always_inline)) {
      constexpr int P = decltype(pixels)::value;
      const T* first = x + pixel * s.channels;
      if constexpr (Rows) return tile(pixels, first, pixel);
      unroll<P>(HONE_EACH { pointers[i] = first + i * s.channels; });
      tile(pixels, static_cast<const T* const*>(pointers), pixel);
    });
    return;
  }
  Cursor at = cursor_at(s, begin);
  // Tiles within a row find their input in a fraction of the time. Narrow rows would leave too many small tiles.
  const bool by_rows = s.out_width >= 2 * Most;
  while (begin < end) {
    const int64_t row_end = begin + s.out_width - at.ow, stop = by_rows && row_end < end ? row_end : end;
    for_pixel_tiles<Most>(begin, stop, [&](auto pixels, int64_t pixel) __attribute__((always_inline)) {
      constexpr int P = decltype(pixels)::value;
      if constexpr (Rows) {
        if (const T* first = inside(s, x, at, P)) {
          at.ow += P;
          if (at.ow == s.out_width) next_row(s, at);
          return tile(pixels, first, pixel);
        }
      }
      make_pointers<T, P>(s, x, outside, at, pointers);
      tile(pixels, static_cast<const T* const*>(pointers), pixel);
    });
    begin = stop;
  }
}

/// Input pixels of a chunk, and output_bytes for each, stay in the second-level cache while all channel blocks pass
/// over them.
HONE_INLINE int64_t chunk_pixels(const ConvShape& s, int64_t element_bytes, int64_t output_bytes) {
  const int64_t bytes_per_pixel = s.channels * element_bytes * s.stride_h * s.stride_w + output_bytes;
  const int64_t pixels = 192 * 1024 / (bytes_per_pixel > 0 ? bytes_per_pixel : 1);
  return pixels < 96 ? 96 : pixels / 24 * 24;
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
