// Winograd convolution of 8-bit integers in groups of input channels, AVX-512: see kernels/winograd_groups.hpp.
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/winograd_int8.inl"
#include "kernels/winograd_groups.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int64_t kTaps = 9 * kWords;  ///< bytes of the filters of a vector of output and two input channels

// Positions do not fall on the same sets of the cache. In bytes.
HONE_INLINE int64_t source_row(int64_t channels) { return rounded_up(channels, kWords) * 2 + 64; }
HONE_INLINE int64_t source_position(int64_t tiles, int64_t channels) { return tiles * source_row(channels) + 64; }
HONE_INLINE int64_t matrix_bytes(int64_t channels) { return rounded_up(channels, 8) / 2 * kBlockVectors * 64 + 64; }
HONE_INLINE int64_t product_position(int64_t tiles) { return tiles * kBlockVectors * 64 + 64; }
/// Sums: [tile][output pixel][channel].
HONE_INLINE int64_t sums_row(const ConvShape& s) { return vectors(s.out_channels) * 64; }

int64_t wg_blocks(const ConvShape& s) { return (vectors(s.out_channels) + kBlockVectors - 1) / kBlockVectors; }
/// Packed: for each block the taps of [two channels][vector], then a row of zero points for padding.
HONE_INLINE int64_t taps_bytes(const ConvShape& s) {
  return vectors(s.out_channels) * rounded_up(s.channels, 8) / 2 * kTaps;
}
size_t wg_packed_bytes(const ConvShape& s) {
  return static_cast<size_t>(taps_bytes(s) + rounded_up(s.channels, kWords) + 64);
}
size_t wg_source_bytes(int64_t tiles, int64_t channels) {
  return static_cast<size_t>(kPositions * source_position(tiles, channels));
}
size_t wg_product_bytes(const ConvShape& s, int64_t tiles) {
  return static_cast<size_t>(tiles * kTile * kTile * sums_row(s));
}
size_t wg_work_bytes(int64_t tiles, int64_t channels) {
  return static_cast<size_t>(kPositions * (matrix_bytes(channels) + product_position(tiles)));
}

/// A block's vectors of output channels, and where its taps begin.
struct Block {
  int64_t first, width;
  HONE_INLINE Block(const ConvShape& s, int64_t index) : first(index * kBlockVectors), width(kBlockVectors) {
    if (vectors(s.out_channels) - first < width) width = vectors(s.out_channels) - first;
  }
  HONE_INLINE int64_t taps(const ConvShape& s, int64_t channel) const {
    return (first * rounded_up(s.channels, 8) + channel * width) / 2 * kTaps;
  }
};

void wg_pack(const ConvShape& s, const int8_t* w, int x_zero, void* packed, int64_t begin, int64_t end) {
  auto* to = static_cast<int8_t*>(packed);
  for (int64_t index = begin; index < end; ++index) {
    const Block block(s, index);
    for (int64_t k = 0; k < rounded_up(s.channels, 8); k += 2)
      for (int64_t v = 0; v < block.width; ++v) {
        const int64_t o = (block.first + v) * kLanes, lanes = s.out_channels - o < kLanes ? s.out_channels - o : kLanes;
        gather_taps(w + o * s.channels * 9, s.channels, k, lanes, to + block.taps(s, k) + v * kTaps);
      }
  }
  if (begin == 0)
    __builtin_memset(to + taps_bytes(s), x_zero, static_cast<size_t>(rounded_up(s.channels, kWords) + 64));
}

template <bool Signed>
void transform_group(const WinogradShape& shape, const uint8_t* x, int x_zero, const uint8_t* outside,
                     const WinogradChunk& chunk, const WinogradGroup& group, int64_t begin, int64_t end) {
  const int64_t step = source_position(chunk.count, group.count);
  const Words zero = _mm512_set1_epi16(static_cast<int16_t>(x_zero));
  Tiles tiles(shape, chunk.first + begin);
  for (int64_t index = begin; index < end; ++index, tiles.next()) {
    const uint8_t* pixels[kPositions];
    find_pixels(shape.conv, x, outside, tiles.now(), pixels);
    char* out = static_cast<char*>(chunk.source) + index * source_row(group.count);
    for (int64_t c = 0; c < group.count; c += kWords) {
      const int64_t left = group.count - c;
      const auto mask = static_cast<__mmask32>(left >= kWords ? ~0u : (1u << left) - 1);
      transform_words<Signed>(pixels, group.first + c, mask, zero, out + c * 2, step);
    }
  }
}

void wg_transform(const WinogradShape& shape, const void* x, DType x_type, int x_zero, const void* packed,
                  const WinogradChunk& chunk, const WinogradGroup& group, int64_t begin, int64_t end) {
  const auto* outside = static_cast<const uint8_t*>(packed) + taps_bytes(shape.conv);
  (x_type == DType::i8 ? transform_group<true> : transform_group<false>)(shape, static_cast<const uint8_t*>(x), x_zero,
                                                                         outside, chunk, group, begin, end);
}

/// Products of all positions back to the sums of a vector of output channels.
template <bool First>
void add_sums(const char* product, char* sums, int64_t tiles, int64_t row) {
  const int64_t position = product_position(tiles);
  for (int64_t tile = 0; tile < tiles; ++tile, product += kBlockVectors * 64, sums += kTile * kTile * row) {
    VI half[kTile][kSide];
    unroll<kSide>([&](auto j) __attribute__((always_inline)) {
      VI m[kSide], t[kTile];
      unroll<kSide>(HONE_EACH { m[i] = _mm512_load_si512(product + (i * kSide + j) * position); });
      backward(m, t);
      unroll<kTile>(HONE_EACH { half[i][j] = t[i]; });
    });
    unroll<kTile>([&](auto i) __attribute__((always_inline)) {
      VI y[kTile];
      backward(half[i], y);
      unroll<kTile>([&](auto k) __attribute__((always_inline)) {
        char* at = sums + (i * kTile + k) * row;
        const VI sum = exact_sum(y[k]);
        _mm512_store_si512(at, First ? sum : add(sum, _mm512_load_si512(at)));
      });
    });
  }
}

void wg_multiply(const ConvShape& s, const void* packed, const WinogradChunk& chunk, const WinogradGroup& group,
                 int64_t index, void* work) {
  const Block block(s, index);
  const int64_t depth = rounded_up(group.count, 8), w_step = matrix_bytes(group.count);
  char *w = static_cast<char*>(work), *product = w + kPositions * w_step;
  const auto* taps = static_cast<const int8_t*>(packed) + block.taps(s, group.first);
  for (int64_t i = 0; i < depth / 2 * block.width; ++i) transform_filters(taps + i * kTaps, w + i * 64, w_step);
  const int64_t a_row = source_row(group.count), y_row = kBlockVectors * 64;
  // Register tiles of even heights.
  const int64_t pieces = (chunk.count + kMostRows - 1) / kMostRows;
  for (int64_t position = 0; position < kPositions; ++position) {
    const char* a = static_cast<const char*>(chunk.source) + position * source_position(chunk.count, group.count);
    char* y = product + position * product_position(chunk.count);
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t from = chunk.count * piece / pieces, rows = chunk.count * (piece + 1) / pieces - from;
      (block.width == kBlockVectors ? product_tile_of<kBlockVectors>(rows) : product_tile_of<1>(rows))(
          a + from * a_row, a_row, w + position * w_step, depth, y + from * y_row, y_row);
    }
  }
  for (int64_t v = 0; v < block.width; ++v)
    (group.first == 0 ? add_sums<true> : add_sums<false>)(product + v * 64,
                                                          static_cast<char*>(chunk.product) + (block.first + v) * 64,
                                                          chunk.count, sums_row(s));
}

template <class Mask>
HONE_INLINE void finish_sums_of(const ConvShape& s, const char* sums, const Post& post, const Tile& tile, int64_t c,
                                void* y, const Mask& mask) {
  const RowOfTile<Mask> row(s, post, tile, c, y, mask);
  for (int64_t i = 0; i < kTile; ++i, sums += kTile * sums_row(s)) {
    VI of_row[kTile];
    unroll<kTile>([&](auto k)
                      __attribute__((always_inline)) { of_row[k] = _mm512_load_si512(sums + k * sums_row(s)); });
    row.finish(i, of_row);
  }
}

void wg_finish(const WinogradShape& shape, const WinogradChunk& chunk, const Epilogue& epilogue, void* y, int64_t begin,
               int64_t end) {
  const ConvShape& s = shape.conv;
  const Post post = prepare(epilogue);
  const int64_t whole = s.out_channels / kLanes * kLanes;
  Tiles tiles(shape, chunk.first + begin);
  for (int64_t index = begin; index < end; ++index, tiles.next()) {
    const Tile& tile = tiles.now();
    if (tile.oh >= s.out_height || tile.ow >= s.out_width) continue;  // the last of a dilated image's parts
    const char* sums = static_cast<const char*>(chunk.product) + index * kTile * kTile * sums_row(s);
    for (int64_t c = 0; c < whole; c += kLanes) finish_sums_of(s, sums + c * 4, post, tile, c, y, Full{});
    if (whole < s.out_channels)
      finish_sums_of(s, sums + whole * 4, post, tile, whole, y, Part(static_cast<int>(s.out_channels - whole)));
  }
}

}  // namespace

extern const WinogradGroupsKernels winograd_groups;
const WinogradGroupsKernels winograd_groups = {wg_packed_bytes,  wg_blocks,     wg_source_bytes,
                                               wg_product_bytes, wg_work_bytes, wg_pack,
                                               wg_transform,     wg_multiply,   wg_finish};

}  // namespace hone::kernels::HONE_ISA
