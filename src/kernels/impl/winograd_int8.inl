// Winograd convolution of 8-bit integers, AVX-512: see kernels/winograd_int8.hpp.
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/winograd_int8.inl"
#include "kernels/winograd_int8.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

/// Channels that products run over: four steps of two at a time.
HONE_INLINE int64_t depth_of(const ConvShape& s) { return rounded_up(s.channels, 8); }
// Rows and positions do not fall on the same sets of the cache. In bytes.
HONE_INLINE int64_t source_row(const ConvShape& s) { return rounded_up(s.channels, kWords) * 2 + 64; }
HONE_INLINE int64_t source_position(const ConvShape& s, int64_t count) { return count * source_row(s) + 64; }
HONE_INLINE int64_t product_row(const ConvShape& s) { return vectors(s.out_channels) * 64 + 64; }
HONE_INLINE int64_t product_position(const ConvShape& s, int64_t count) { return count * product_row(s) + 64; }
/// Weights of one position: for each block [two channels][vector][lane][channel].
HONE_INLINE int64_t matrix_bytes(const ConvShape& s) { return vectors(s.out_channels) * depth_of(s) / 2 * 64; }

int64_t wi_blocks(const WinogradShape& s) {
  return (vectors(s.conv.out_channels) + kBlockVectors - 1) / kBlockVectors;
}
// Packed: the positions' weights, then a row of zero points for padding.
size_t wi_packed_bytes(const WinogradShape& s) {
  return static_cast<size_t>(kPositions * matrix_bytes(s.conv) + rounded_up(s.conv.channels, kWords) + 64);
}
size_t wi_source_bytes(const WinogradShape& s, int64_t count) {
  return static_cast<size_t>(kPositions * source_position(s.conv, count));
}
size_t wi_product_bytes(const WinogradShape& s, int64_t count) {
  return static_cast<size_t>(kPositions * product_position(s.conv, count));
}

void wi_pack(const WinogradShape& shape, const int8_t* w, int x_zero, void* memory, int64_t begin, int64_t end) {
  const ConvShape& s = shape.conv;
  char* packed = static_cast<char*>(memory);
  const int64_t all = vectors(s.out_channels), depth = depth_of(s), step = matrix_bytes(s);
  for (int64_t vector = begin * kBlockVectors; vector < end * kBlockVectors && vector < all; ++vector) {
    const int64_t block = vector / kBlockVectors * kBlockVectors,
                  width = all - block < kBlockVectors ? all - block : kBlockVectors;
    char* column = packed + block * depth / 2 * 64 + (vector - block) * 64;
    const int64_t lanes = s.out_channels - vector * kLanes < kLanes ? s.out_channels - vector * kLanes : kLanes;
    for (int64_t k = 0; k < depth; k += 2, column += width * 64) {
      alignas(32) int8_t taps[9 * kWords];
      gather_taps(w + vector * kLanes * s.channels * 9, s.channels, k, lanes, taps);
      transform_filters(taps, column, step);
    }
  }
  if (begin > 0) return;
  char* outside = packed + kPositions * step;
  for (int64_t k = 0; k < rounded_up(s.channels, kWords) + 64; ++k) outside[k] = static_cast<char>(x_zero);
}

template <bool Signed>
void transform_tiles(const WinogradShape& shape, const uint8_t* x, int x_zero, const uint8_t* outside,
                     const WinogradChunk& chunk, int64_t begin, int64_t end) {
  const ConvShape& s = shape.conv;
  const int64_t position_step = source_position(s, chunk.count);
  const Words zero = _mm512_set1_epi16(static_cast<int16_t>(x_zero));
  Tiles tiles(shape, chunk.first + begin);
  for (int64_t index = begin; index < end; ++index, tiles.next()) {
    const uint8_t* pixels[kPositions];
    find_pixels(s, x, outside, tiles.now(), pixels);
    char* out = static_cast<char*>(chunk.source) + index * source_row(s);
    for (int64_t c = 0; c < s.channels; c += kWords) {
      const int64_t left = s.channels - c;
      const auto mask = static_cast<__mmask32>(left >= kWords ? ~0u : (1u << left) - 1);
      transform_words<Signed>(pixels, c, mask, zero, out + c * 2, position_step);
    }
  }
}

void wi_transform(const WinogradShape& s, const void* x, DType x_type, int x_zero, const void* packed,
                  const WinogradChunk& chunk, int64_t begin, int64_t end) {
  const auto* outside = static_cast<const uint8_t*>(packed) + kPositions * matrix_bytes(s.conv);
  (x_type == DType::i8 ? transform_tiles<true> : transform_tiles<false>)(s, static_cast<const uint8_t*>(x), x_zero,
                                                                         outside, chunk, begin, end);
}

// ---- products

void wi_multiply(const WinogradShape& shape, const void* packed, const WinogradChunk& chunk, int64_t begin,
                 int64_t end) {
  const ConvShape& s = shape.conv;
  const int64_t blocks = wi_blocks(shape), all = vectors(s.out_channels), depth = depth_of(s);
  const int64_t a_row = source_row(s), y_row = product_row(s);
  // Register tiles of even heights.
  const int64_t pieces = (chunk.count + kMostRows - 1) / kMostRows;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t position = unit / blocks, block = unit % blocks * kBlockVectors;
    const char* w = static_cast<const char*>(packed) + position * matrix_bytes(s) + block * depth / 2 * 64;
    const char* a = static_cast<const char*>(chunk.source) + position * source_position(s, chunk.count);
    char* y = static_cast<char*>(chunk.product) + position * product_position(s, chunk.count) + block * 64;
    const bool whole = all - block >= kBlockVectors;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t from = chunk.count * piece / pieces, rows = chunk.count * (piece + 1) / pieces - from;
      (whole ? product_tile_of<kBlockVectors>(rows) : product_tile_of<1>(rows))(a + from * a_row, a_row, w, depth,
                                                                               y + from * y_row, y_row);
    }
  }
}

// ---- outputs: 576 times the sums

template <class Mask>
HONE_INLINE void finish_vector(const ConvShape& s, const char* product, int64_t position_step, const Post& post,
                               const Tile& tile, int64_t c, void* y, const Mask& mask) {
  VI half[kTile][kSide];
  unroll<kSide>([&](auto j) __attribute__((always_inline)) {
    VI m[kSide], t[kTile];
    unroll<kSide>(HONE_EACH { m[i] = _mm512_load_si512(product + (i * kSide + j) * position_step); });
    backward(m, t);
    unroll<kTile>(HONE_EACH { half[i][j] = t[i]; });
  });
  const RowOfTile<Mask> row(s, post, tile, c, y, mask);
  unroll<kTile>([&](auto i) __attribute__((always_inline)) {
    VI sums[kTile];
    backward(half[i], sums);
    unroll<kTile>([&](auto k) __attribute__((always_inline)) { sums[k] = exact_sum(sums[k]); });
    row.finish(i, sums);
  });
}

void wi_finish(const WinogradShape& shape, const WinogradChunk& chunk, const Epilogue& epilogue, void* y,
               int64_t begin, int64_t end) {
  const ConvShape& s = shape.conv;
  const Post post = prepare(epilogue);
  const int64_t position_step = product_position(s, chunk.count), whole = s.out_channels / kLanes * kLanes;
  Tiles tiles(shape, chunk.first + begin);
  for (int64_t index = begin; index < end; ++index, tiles.next()) {
    const Tile& tile = tiles.now();
    if (tile.oh >= s.out_height || tile.ow >= s.out_width) continue;  // the last of a dilated image's parts
    const char* product = static_cast<const char*>(chunk.product) + index * product_row(s);
    for (int64_t c = 0; c < whole; c += kLanes)
      finish_vector(s, product + c * 4, position_step, post, tile, c, y, Full{});
    if (whole < s.out_channels)
      finish_vector(s, product + whole * 4, position_step, post, tile, whole, y,
                    Part(static_cast<int>(s.out_channels - whole)));
  }
}

}  // namespace

extern const WinogradInt8Kernels winograd_int8;
const WinogradInt8Kernels winograd_int8 = {
    {wi_packed_bytes, wi_blocks, wi_source_bytes, wi_product_bytes, wi_multiply, wi_finish}, wi_pack, wi_transform};

}  // namespace hone::kernels::HONE_ISA
