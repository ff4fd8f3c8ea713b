// What Winograd convolutions of 8-bit integers share, AVX-512: F(4x4, 3x3) in whole numbers, see
// kernels/winograd_int8.hpp.
#include "kernels/conv.hpp"
#include "kernels/simd/unroll.inl"
#include "kernels/winograd.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kTile = 4, kSide = kTile + 2, kPositions = kSide * kSide;
constexpr int kWords = 2 * kLanes;  ///< input channels of a vector
constexpr int kBlockVectors = 2;    ///< of output channels, in one block of weights
constexpr int kMostRows = 14;       ///< rows of a register tile

HONE_INLINE int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
HONE_INLINE int64_t vectors(int64_t channels) { return (channels + kLanes - 1) / kLanes; }

using Words = __m512i;
HONE_INLINE Words word_add(Words a, Words b) { return _mm512_add_epi16(a, b); }
HONE_INLINE Words word_sub(Words a, Words b) { return _mm512_sub_epi16(a, b); }
template <int N>
HONE_INLINE Words word_shift(Words a) {
  return _mm512_slli_epi16(a, N);
}

// ---- weights: G g G^T, whose rows are 24 times the usual ones where that stays within 16 bits; the last one is 4
// times, and what is left, 6, comes with the way back.

/// Filters of up to a vector of output channels and of input channels k and k + 1, as [tap][lane][channel].
inline void gather_taps(const int8_t* w, int64_t channels, int64_t k, int64_t lanes, int8_t* taps) {
  __builtin_memset(taps, 0, 9 * kWords);
  for (int64_t lane = 0; lane < lanes; ++lane)
    for (int64_t i = 0; i < 2 && k + i < channels; ++i) {
      const int8_t* filter = w + (lane * channels + k + i) * 9;
      for (int tap = 0; tap < 9; ++tap) taps[tap * kWords + lane * 2 + i] = filter[tap];
    }
}

/// By the rows (6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 4).
HONE_INLINE void transform_taps(Words a, Words b, Words c, Words (&t)[kSide]) {
  const Words a4 = word_shift<2>(a), b2 = word_shift<1>(b), b4 = word_shift<2>(b), c4 = word_shift<2>(c);
  const Words ends = word_sub(_mm512_setzero_si512(), word_add(a4, c4)), near = word_add(a, c4);
  t[0] = word_add(a4, word_shift<1>(a));
  t[1] = word_sub(ends, b4);
  t[2] = word_add(ends, b4);
  t[3] = word_add(near, b2);
  t[4] = word_sub(near, b2);
  t[5] = c4;
}

/// Filters as gather_taps() leaves them, to out[position * step].
HONE_INLINE void transform_filters(const int8_t* taps, char* out, int64_t step) {
  Words half[3][kSide];
  unroll<3>([&](auto c) __attribute__((always_inline)) {
    Words g[3];
    unroll<3>(HONE_EACH {
      g[i] = _mm512_cvtepi8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(taps + (i * 3 + c) * kWords)));
    });
    transform_taps(g[0], g[1], g[2], half[c]);
  });
  unroll<kSide>([&](auto i) __attribute__((always_inline)) {
    Words t[kSide];
    transform_taps(half[0][i], half[1][i], half[2][i], t);
    unroll<kSide>([&](auto j)
                      __attribute__((always_inline)) { _mm512_store_si512(out + (i * kSide + j) * step, t[j]); });
  });
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

// ---- outputs: 576 times the sums

HONE_INLINE void backward(const VI (&m)[kSide], VI (&y)[kTile]) {
  const VI a = add(m[1], m[2]), b = sub(m[1], m[2]), c = add(m[3], m[4]), d = sub(m[3], m[4]);
  y[0] = add(m[0], add(a, c));
  y[1] = add(b, shift_left<1>(d));
  y[2] = add(a, shift_left<2>(c));
  y[3] = add(add(b, shift_left<3>(d)), add(shift_left<1>(m[5]), shift_left<2>(m[5])));
}

/// 576 = 9 * 64: times the inverse of 9 modulo 2^32, and shifted.
HONE_INLINE VI exact_sum(VI sum) { return _mm512_srai_epi32(_mm512_mullo_epi32(sum, set1i(0x38e38e39)), 6); }

/// Writes rows of a tile's outputs, a vector of channels from `c` on.
template <class Mask>
struct RowOfTile {
  HONE_INLINE RowOfTile(const ConvShape& s, const Post& post, const Tile& tile, int64_t c, void* y, const Mask& mask)
      : s(s),
        post(post),
        tile(tile),
        mask(mask),
        channel(load_post(post, c, mask)),
        start(post.e->start ? load_i32(post.e->start + c) : set1i(0)),
        c(c),
        y(y) {}

  HONE_INLINE void finish(int64_t i, const VI (&sums)[kTile]) const {
    const int64_t oh = tile.oh + i * tile.step, step = tile.step * s.out_channels;
    const int64_t columns = (s.out_width - tile.ow + tile.step - 1) / tile.step;
    if (oh >= s.out_height) return;
    VF out[kTile];
    unroll<kTile>([&](auto k) __attribute__((always_inline)) { out[k] = to_float(add(sums[k], start)); });
    const int64_t at = ((tile.n * s.out_height + oh) * s.out_width + tile.ow) * s.out_channels + c;
    if (columns >= kTile) return kernels::HONE_ISA::finish<kTile>(post, channel, out, y, at, step, mask);
    for (int64_t k = 0; k < columns; ++k) {
      VF one[1] = {out[k]};
      kernels::HONE_ISA::finish<1>(post, channel, one, y, at + k * step, step, mask);
    }
  }

  const ConvShape& s;
  const Post& post;
  const Tile& tile;
  const Mask& mask;
  const ChannelPost channel;
  const VI start;
  int64_t c;
  void* y;
};

}  // namespace
}  // namespace hone::kernels::HONE_ISA
