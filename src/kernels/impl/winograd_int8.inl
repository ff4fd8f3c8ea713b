// Winograd convolution of 8-bit integers, AVX-512: see kernels/winograd_int8.hpp.
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/unroll.inl"
#include "kernels/winograd_int8.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kTile = 4, kSide = kTile + 2, kPositions = kSide * kSide;
constexpr int kWords = 2 * kLanes;   ///< input channels of a vector
constexpr int kBlockVectors = 2;     ///< of output channels, in one block of weights
constexpr int kMostRows = 14;        ///< rows of a register tile

HONE_INLINE int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
HONE_INLINE int64_t vectors(int64_t channels) { return (channels + kLanes - 1) / kLanes; }
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

using Words = __m512i;
HONE_INLINE Words word_add(Words a, Words b) { return _mm512_add_epi16(a, b); }
HONE_INLINE Words word_sub(Words a, Words b) { return _mm512_sub_epi16(a, b); }
template <int N>
HONE_INLINE Words word_shift(Words a) {
  return _mm512_slli_epi16(a, N);
}

// ---- weights: G g G^T, whose rows are 24 times the usual ones where that stays within 16 bits; the last one is 4
// times, and what is left, 6, comes with the way back.

constexpr int kG[kSide][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 4}};

/// Filters of a vector of output channels and two input channels, g[tap][lane * 2 + channel], to out[position * step].
HONE_INLINE void transform_filters(const int16_t (&g)[9][kWords], char* out, int64_t step) {
  const auto times = [](int factor, Words a) __attribute__((always_inline)) {
    return _mm512_mullo_epi16(_mm512_set1_epi16(static_cast<int16_t>(factor)), a);
  };
  const auto combine = [&](const int (&k)[3], Words a, Words b, Words c) __attribute__((always_inline)) {
    return word_add(times(k[0], a), word_add(times(k[1], b), times(k[2], c)));
  };
  const auto tap = [&](int i) __attribute__((always_inline)) { return _mm512_loadu_si512(g[i]); };
  for (int i = 0; i < kSide; ++i) {
    Words half[3];
    for (int c = 0; c < 3; ++c) half[c] = combine(kG[i], tap(c), tap(3 + c), tap(6 + c));
    for (int j = 0; j < kSide; ++j, out += step) _mm512_store_si512(out, combine(kG[j], half[0], half[1], half[2]));
  }
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
      int16_t g[9][kWords] = {};
      for (int64_t lane = 0; lane < lanes; ++lane)
        for (int64_t i = 0; i < 2 && k + i < s.channels; ++i) {
          const int8_t* filter = w + ((vector * kLanes + lane) * s.channels + k + i) * 9;
          for (int tap = 0; tap < 9; ++tap) g[tap][lane * 2 + i] = filter[tap];
        }
      transform_filters(g, column, step);
    }
  }
  if (begin > 0) return;
  char* outside = packed + kPositions * step;
  for (int64_t k = 0; k < rounded_up(s.channels, kWords) + 64; ++k) outside[k] = static_cast<char>(x_zero);
}

// ---- tiles

/// Where a tile lies: its image, the first output row and column and their step.
struct Tile {
  int64_t n, oh, ow, step;
};
/// Walks the tiles in order.
class Tiles {
 public:
  HONE_INLINE Tiles(const WinogradShape& shape, int64_t index)
      : across_(shape.tiles_of(shape.conv.out_width)),
        down_(shape.tiles_of(shape.conv.out_height)),
        step_(shape.conv.dilation_h),
        j_(index % across_),
        i_(index / across_ % down_),
        phase_(index / (across_ * down_)) {
    place();
  }
  HONE_INLINE const Tile& now() const { return tile_; }
  HONE_INLINE void next() {
    tile_.ow += kTile * step_;
    if (++j_ < across_) return;
    j_ = 0;
    if (++i_ == down_) i_ = 0, ++phase_;
    place();
  }

 private:
  HONE_INLINE void place() {
    tile_ = {phase_ / (step_ * step_), phase_ / step_ % step_ + i_ * kTile * step_, phase_ % step_ + j_ * kTile * step_,
             step_};
  }
  int64_t across_, down_, step_, j_, i_, phase_;
  Tile tile_;
};

// ---- inputs: B^T d B, at most 10 * 10 * 255

HONE_INLINE void forward(const Words (&d)[kSide], Words (&t)[kSide]) {
  const Words four1 = word_shift<2>(d[1]), four2 = word_shift<2>(d[2]);
  const Words p = word_sub(d[4], four2), q = word_sub(d[3], four1);
  const Words r = word_sub(d[4], d[2]), s = word_shift<1>(word_sub(d[3], d[1]));
  t[0] = word_add(word_sub(word_shift<2>(d[0]), d[2]), p);
  t[1] = word_add(p, q);
  t[2] = word_sub(p, q);
  t[3] = word_add(r, s);
  t[4] = word_sub(r, s);
  t[5] = word_add(word_sub(four1, word_add(word_shift<2>(d[3]), d[3])), d[5]);
}

template <bool Signed>
HONE_INLINE void transform_words(const uint8_t* const* pixels, int64_t c, __mmask32 mask, Words zero, char* out,
                                 int64_t position_step) {
  Words half[kSide][kSide];
  unroll<kSide>([&](auto j) __attribute__((always_inline)) {
    Words d[kSide], t[kSide];
    unroll<kSide>(HONE_EACH {
      const __m256i bytes = _mm256_maskz_loadu_epi8(mask, pixels[i * kSide + j] + c);
      d[i] = word_sub(Signed ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes), zero);
    });
    forward(d, t);
    unroll<kSide>(HONE_EACH { half[i][j] = t[i]; });
  });
  unroll<kSide>([&](auto j) __attribute__((always_inline)) {
    Words t[kSide];
    forward(half[j], t);
    unroll<kSide>(HONE_EACH { _mm512_store_si512(out + (j * kSide + i) * position_step, t[i]); });
  });
}

/// Where a tile reads.
HONE_INLINE void find_pixels(const ConvShape& s, const uint8_t* x, const uint8_t* outside, const Tile& tile,
                             const uint8_t** pixels) {
  const int64_t ih0 = tile.oh - s.pad_top, iw0 = tile.ow - s.pad_left, reach = (kSide - 1) * tile.step;
  const uint8_t* first = x + ((tile.n * s.height + ih0) * s.width + iw0) * s.channels;
  const int64_t row_step = tile.step * s.width * s.channels, step = tile.step * s.channels;
  const bool within = ih0 >= 0 && iw0 >= 0 && ih0 + reach < s.height && iw0 + reach < s.width;
  for (int i = 0; i < kSide; ++i) {
    const bool row = static_cast<uint64_t>(ih0 + i * tile.step) < static_cast<uint64_t>(s.height);
    for (int j = 0; j < kSide; ++j) {
      const bool inside =
          within || (row && static_cast<uint64_t>(iw0 + j * tile.step) < static_cast<uint64_t>(s.width));
      pixels[i * kSide + j] = inside ? first + i * row_step + j * step : outside;
    }
  }
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

HONE_INLINE void multiply_pairs(VI& acc, VI x, VI w) {
#if defined(__AVX512VNNI__)
  asm("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));  // see conv_int8.inl
#else
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(x, w));
  asm("" : "+v"(acc));
#endif
}

template <int R, int V>
HONE_INLINE void product_step(const char* a, int64_t row, const char* w, int64_t ahead, VI (&acc)[R * V]) {
  VI b[V];
  unroll<V>(HONE_EACH { b[i] = _mm512_load_si512(w + i * 64); });
  unroll<V>(HONE_EACH { __builtin_prefetch(w + ahead + i * 64, 0, 2); });  // the block behind, often from far away
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    int pair;
    __builtin_memcpy(&pair, a + r * row, 4);
    const VI x = _mm512_set1_epi32(pair);
    unroll<V>(HONE_EACH { multiply_pairs(acc[r * V + i], x, b[i]); });
  });
}

/// R rows times V vectors of columns: y[r] = sum over k of a[r][k] * w[k].
template <int R, int V>
HONE_NOINLINE void product_tile(const char* a, int64_t a_row, const char* w, int64_t depth, char* y, int64_t y_row) {
  VI acc[R * V];
  unroll<R * V>(HONE_EACH { acc[i] = _mm512_setzero_si512(); });
  const int64_t ahead = depth / 2 * V * 64;
  for (int64_t k = 0; k < depth; k += 8, a += 16, w += 4 * V * 64)
    unroll<4>(HONE_EACH { product_step<R, V>(a + i * 4, a_row, w + i * V * 64, ahead, acc); });
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<V>(HONE_EACH { _mm512_store_si512(y + r * y_row + i * 64, acc[r * V + i]); });
  });
}

using ProductTile = void (*)(const char*, int64_t, const char*, int64_t, char*, int64_t);
template <int V, int... R>
HONE_INLINE ProductTile product_tile_of(int64_t rows, Index<V>, Index<R>...) {
  static constexpr ProductTile tiles[] = {product_tile<R, V>...};
  return tiles[rows - 1];
}
template <int V>
ProductTile product_tile_of(int64_t rows) {
  return product_tile_of(rows, Index<V>{}, Index<1>{}, Index<2>{}, Index<3>{}, Index<4>{}, Index<5>{}, Index<6>{},
                         Index<7>{}, Index<8>{}, Index<9>{}, Index<10>{}, Index<11>{}, Index<12>{}, Index<13>{},
                         Index<14>{});
}

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

HONE_INLINE void backward(const VI (&m)[kSide], VI (&y)[kTile]) {
  const VI a = add(m[1], m[2]), b = sub(m[1], m[2]), c = add(m[3], m[4]), d = sub(m[3], m[4]);
  y[0] = add(m[0], add(a, c));
  y[1] = add(b, shift_left<1>(d));
  y[2] = add(a, shift_left<2>(c));
  y[3] = add(add(b, shift_left<3>(d)), add(shift_left<1>(m[5]), shift_left<2>(m[5])));
}

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
  const ChannelPost channel = load_post(post, c, mask);
  const VI inverse_of_9 = set1i(0x38e38e39);
  const int64_t columns = (s.out_width - tile.ow + tile.step - 1) / tile.step, step = tile.step * s.out_channels;
  unroll<kTile>([&](auto i) __attribute__((always_inline)) {
    const int64_t oh = tile.oh + i * tile.step;
    if (oh >= s.out_height) return;
    VI sums[kTile];
    backward(half[i], sums);
    VF out[kTile];
    unroll<kTile>([&](auto k) __attribute__((always_inline)) {
      out[k] = to_float(_mm512_srai_epi32(_mm512_mullo_epi32(sums[k], inverse_of_9), 6));
    });
    const int64_t at = ((tile.n * s.out_height + oh) * s.out_width + tile.ow) * s.out_channels + c;
    if (columns >= kTile) return finish<kTile>(post, channel, out, y, at, step, mask);
    for (int64_t k = 0; k < columns; ++k) {
      VF one[1] = {out[k]};
      finish<1>(post, channel, one, y, at + k * step, step, mask);
    }
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
