// Winograd convolution in f32: see kernels/winograd.hpp. Matrices carry one row for each tile, padded so that rows and
// positions do not fall on the same sets of the cache.
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/unroll.inl"
#include "kernels/winograd.hpp"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kBlockVectors = 2;                     ///< of output channels, in one block of weights
constexpr int kMostRows = kLanes == 16 ? 14 : 6;     ///< rows of a register tile

HONE_INLINE int64_t vectors(int64_t channels) { return (channels + kLanes - 1) / kLanes; }
HONE_INLINE int64_t row_floats(int64_t channels) { return vectors(channels) * kLanes + 16; }
HONE_INLINE int64_t position_floats(int64_t channels, int64_t count) { return count * row_floats(channels) + 16; }
/// Weights of one position.
HONE_INLINE int64_t matrix_floats(const ConvShape& s) { return vectors(s.out_channels) * kLanes * s.channels; }

int64_t winograd_blocks(const WinogradShape& s) {
  return (vectors(s.conv.out_channels) + kBlockVectors - 1) / kBlockVectors;
}
int64_t winograd_first_channel(const WinogradShape& s, int64_t block) {
  const int64_t channel = block * kBlockVectors * kLanes;
  return channel < s.conv.out_channels ? channel : s.conv.out_channels;
}
// Packed: [position][block][input channel][vectors x lanes], then a row of zeros for padding.
size_t winograd_packed_bytes(const WinogradShape& s) {
  return static_cast<size_t>(s.positions() * matrix_floats(s.conv) + row_floats(s.conv.channels)) * sizeof(float);
}
size_t winograd_source_bytes(const WinogradShape& s, int64_t count) {
  return static_cast<size_t>(s.positions() * position_floats(s.conv.channels, count)) * sizeof(float);
}
size_t winograd_product_bytes(const WinogradShape& s, int64_t count) {
  return static_cast<size_t>(s.positions() * position_floats(s.conv.out_channels, count)) * sizeof(float);
}

// ---- weights: U = G g G^T

/// G times a column (a, b, c). F(2x2): rows (1, 0, 0), (1/2, +-1/2, 1/2), (0, 0, 1); F(4x4): (1/4, 0, 0),
/// (-1/6, -+1/6, -1/6), (1/24, +-1/12, 1/6), (0, 0, 1).
template <int M>
HONE_INLINE void transform_taps(VF a, VF b, VF c, VF* out) {
  if constexpr (M == 2) {
    const VF half = set1(0.5f), outer = mul(add(a, c), half);
    out[0] = a, out[1] = fma(b, half, outer), out[2] = fnma(b, half, outer), out[3] = c;
  } else {
    const VF sixth = set1(1.0f / 6), outer = mul(add(a, c), set1(-1.0f / 6));
    const VF twelfth = set1(1.0f / 12), inner = fma(a, set1(1.0f / 24), mul(c, sixth));
    out[0] = mul(a, set1(0.25f));
    out[1] = fnma(b, sixth, outer), out[2] = fma(b, sixth, outer);
    out[3] = fma(b, twelfth, inner), out[4] = fnma(b, twelfth, inner);
    out[5] = c;
  }
}

constexpr int64_t kTogether = 8;  ///< input channels whose filters are transformed before they are stored

/// The filters of `count` input channels for a vector of output channels: w + lane * step + k * 9 is a filter. Matrices
/// of positions lie a large power of two apart: stored one by one, they would all meet in one set of the cache.
template <int M>
void transform_filters(const float* w, int64_t step, int lanes, int64_t count, float* packed, int64_t channel_step,
                       int64_t position_step) {
  constexpr int N = M + 2;
  float taps[kTogether * 9][kLanes];
  VF out[kTogether][N * N];
  if (lanes < kLanes)
    for (auto& row : taps)
      for (float& value : row) value = 0;
  for (int lane = 0; lane < lanes; ++lane)
    for (int64_t i = 0; i < 9 * count; ++i) taps[i][lane] = w[lane * step + i];
  for (int64_t k = 0; k < count; ++k) {
    const auto& g = taps;
    const int64_t at = k * 9;
    VF columns[3][N];
    unroll<3>(HONE_EACH {
      transform_taps<M>(load(g[at + i]), load(g[at + 3 + i]), load(g[at + 6 + i]), columns[i]);
    });
    unroll<N>(HONE_EACH { transform_taps<M>(columns[0][i], columns[1][i], columns[2][i], out[k] + i * N); });
  }
  for (int position = 0; position < N * N; ++position, packed += position_step)
    for (int64_t k = 0; k < count; ++k) stream(packed + k * channel_step, out[k][position]);
}

void winograd_pack(const WinogradShape& shape, const float* w, void* memory, int64_t begin, int64_t end) {
  const ConvShape& s = shape.conv;
  float* packed = static_cast<float*>(memory);
  const int64_t all = vectors(s.out_channels), step = s.channels * 9;
  for (int64_t vector = begin * kBlockVectors; vector < end * kBlockVectors && vector < all; ++vector) {
    const int64_t block = vector / kBlockVectors * kBlockVectors,
                  width = all - block < kBlockVectors ? all - block : kBlockVectors;
    const int64_t left = s.out_channels - vector * kLanes;
    const int lanes = static_cast<int>(left < kLanes ? left : kLanes);
    float* column = packed + block * kLanes * s.channels + (vector - block) * kLanes;
    for (int64_t k = 0; k < s.channels; k += kTogether)
      (shape.tile == 4 ? transform_filters<4> : transform_filters<2>)(
          w + vector * kLanes * step + k * 9, step, lanes, s.channels - k < kTogether ? s.channels - k : kTogether,
          column + k * width * kLanes, width * kLanes, matrix_floats(s));
  }
  finish_stream();
  if (begin == 0) {
    float* zeros = packed + shape.positions() * matrix_floats(s);
    for (int64_t k = 0; k < row_floats(s.channels); ++k) zeros[k] = 0;
  }
}

// ---- tiles

/// Where a tile lies: its image, the first output row and column and their step.
struct Tile {
  int64_t n, oh, ow, step;
};
HONE_INLINE Tile tile_at(const WinogradShape& shape, int64_t index) {
  const ConvShape& s = shape.conv;
  const int64_t across = shape.tiles_of(s.out_width), down = shape.tiles_of(s.out_height), step = s.dilation_h;
  const int64_t j = index % across, i = index / across % down, phase = index / (across * down);
  return {phase / (step * step), phase / step % step + i * shape.tile * step, phase % step + j * shape.tile * step,
          step};
}

// ---- inputs: V = B^T d B

template <int M>
HONE_INLINE void forward(const VF (&d)[M + 2], VF (&t)[M + 2]) {
  if constexpr (M == 2) {
    t[0] = sub(d[0], d[2]);
    t[1] = add(d[1], d[2]);
    t[2] = sub(d[2], d[1]);
    t[3] = sub(d[1], d[3]);
  } else {
    const VF two = set1(2), four = set1(4), five = set1(5);
    const VF p = fnma(four, d[2], d[4]), q = fnma(four, d[1], d[3]);
    const VF r = sub(d[4], d[2]), s = sub(d[3], d[1]);
    t[0] = fma(four, d[0], fnma(five, d[2], d[4]));
    t[1] = add(p, q);
    t[2] = sub(p, q);
    t[3] = fma(two, s, r);
    t[4] = fnma(two, s, r);
    t[5] = fma(four, d[1], fnma(five, d[3], d[5]));
  }
}

template <int M, class Mask>
HONE_INLINE void transform_vector(const float* const* pixels, int64_t c, float* out, int64_t position_step,
                                  const Mask& mask) {
  constexpr int N = M + 2;
  VF half[N][N];
  unroll<N>([&](auto j) __attribute__((always_inline)) {
    VF d[N], t[N];
    unroll<N>(HONE_EACH { d[i] = load(pixels[i * N + j] + c, mask); });
    forward<M>(d, t);
    unroll<N>(HONE_EACH { half[i][j] = t[i]; });
  });
  unroll<N>([&](auto j) __attribute__((always_inline)) {
    VF t[N];
    forward<M>(half[j], t);
    unroll<N>(HONE_EACH { store(out + (j * N + i) * position_step, t[i]); });
  });
}

template <int M>
void transform_tiles(const WinogradShape& shape, const float* x, const float* zeros, const WinogradChunk& chunk,
                     int64_t begin, int64_t end) {
  constexpr int N = M + 2;
  const ConvShape& s = shape.conv;
  const int64_t position_step = position_floats(s.channels, chunk.count), whole = s.channels / kLanes * kLanes;
  for (int64_t index = begin; index < end; ++index) {
    const Tile tile = tile_at(shape, chunk.first + index);
    const float* pixels[N * N];
    for (int i = 0; i < N; ++i) {
      const int64_t ih = tile.oh - s.pad_top + i * tile.step;
      const bool row = static_cast<uint64_t>(ih) < static_cast<uint64_t>(s.height);
      const float* line = x + (tile.n * s.height + ih) * s.width * s.channels;
      for (int j = 0; j < N; ++j) {
        const int64_t iw = tile.ow - s.pad_left + j * tile.step;
        pixels[i * N + j] =
            row && static_cast<uint64_t>(iw) < static_cast<uint64_t>(s.width) ? line + iw * s.channels : zeros;
      }
    }
    float* out = static_cast<float*>(chunk.source) + index * row_floats(s.channels);
    for (int64_t c = 0; c < whole; c += kLanes) transform_vector<M>(pixels, c, out + c, position_step, Full{});
    if (whole < s.channels)
      transform_vector<M>(pixels, whole, out + whole, position_step, Part(static_cast<int>(s.channels - whole)));
  }
}

void winograd_transform(const WinogradShape& s, const float* x, const void* packed, const WinogradChunk& chunk,
                        int64_t begin, int64_t end) {
  const float* zeros = static_cast<const float*>(packed) + s.positions() * matrix_floats(s.conv);
  (s.tile == 4 ? transform_tiles<4> : transform_tiles<2>)(s, x, zeros, chunk, begin, end);
}

// ---- products

template <int R, int V>
HONE_INLINE void product_step(const float* a, int64_t row, const float* w, int64_t ahead, VF (&acc)[R * V]) {
  VF b[V];
  unroll<V>(HONE_EACH { b[i] = load(w + i * kLanes); });
  // The weights behind these are the next to be needed, often from far away.
  unroll<(V * kLanes + 15) / 16>(HONE_EACH { __builtin_prefetch(w + ahead + i * 16, 0, 2); });
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    const VF value = set1(a[r * row]);
    unroll<V>(HONE_EACH { acc[r * V + i] = fma(value, b[i], acc[r * V + i]); });
  });
}

/// R rows times V vectors of columns: y[r] = sum over k of a[r][k] * w[k].
template <int R, int V>
HONE_NOINLINE void product_tile(const float* a, int64_t a_row, const float* w, int64_t depth, float* y, int64_t y_row) {
  VF acc[R * V];
  unroll<R * V>(HONE_EACH { acc[i] = zero_f(); });
  const int64_t ahead = depth * V * kLanes;
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4, w += 4 * V * kLanes) {
    product_step<R, V>(a + k, a_row, w, ahead, acc);
    product_step<R, V>(a + k + 1, a_row, w + V * kLanes, ahead, acc);
    product_step<R, V>(a + k + 2, a_row, w + 2 * V * kLanes, ahead, acc);
    product_step<R, V>(a + k + 3, a_row, w + 3 * V * kLanes, ahead, acc);
  }
  for (; k < depth; ++k, w += V * kLanes) product_step<R, V>(a + k, a_row, w, ahead, acc);
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<V>(HONE_EACH { store(y + r * y_row + i * kLanes, acc[r * V + i]); });
  });
}

using ProductTile = void (*)(const float*, int64_t, const float*, int64_t, float*, int64_t);
template <int V, int... R>
HONE_INLINE ProductTile product_tile_of(int64_t rows, Index<V>, Index<R>...) {
  static constexpr ProductTile tiles[] = {product_tile<R, V>...};
  return tiles[rows - 1];
}
template <int V>
ProductTile product_tile_of(int64_t rows) {
  if constexpr (kMostRows == 14)
    return product_tile_of(rows, Index<V>{}, Index<1>{}, Index<2>{}, Index<3>{}, Index<4>{}, Index<5>{}, Index<6>{},
                           Index<7>{}, Index<8>{}, Index<9>{}, Index<10>{}, Index<11>{}, Index<12>{}, Index<13>{},
                           Index<14>{});
  else
    return product_tile_of(rows, Index<V>{}, Index<1>{}, Index<2>{}, Index<3>{}, Index<4>{}, Index<5>{}, Index<6>{});
}

void winograd_multiply(const WinogradShape& shape, const void* packed, const WinogradChunk& chunk, int64_t begin,
                       int64_t end) {
  const ConvShape& s = shape.conv;
  const int64_t blocks = winograd_blocks(shape), all = vectors(s.out_channels);
  const int64_t a_row = row_floats(s.channels), y_row = row_floats(s.out_channels);
  // Register tiles of even heights.
  const int64_t pieces = (chunk.count + kMostRows - 1) / kMostRows;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t position = unit / blocks, block = unit % blocks * kBlockVectors;
    const float* w = static_cast<const float*>(packed) + position * matrix_floats(s) + block * kLanes * s.channels;
    const float* a = static_cast<const float*>(chunk.source) + position * position_floats(s.channels, chunk.count);
    float* y =
        static_cast<float*>(chunk.product) + position * position_floats(s.out_channels, chunk.count) + block * kLanes;
    const bool whole = all - block >= kBlockVectors;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t from = chunk.count * piece / pieces, rows = chunk.count * (piece + 1) / pieces - from;
      (whole ? product_tile_of<kBlockVectors>(rows) : product_tile_of<1>(rows))(a + from * a_row, a_row, w, s.channels,
                                                                               y + from * y_row, y_row);
    }
  }
}

// ---- outputs: Y = A^T M A

template <int M>
HONE_INLINE void backward(const VF (&m)[M + 2], VF (&y)[M]) {
  if constexpr (M == 2) {
    y[0] = add(m[0], add(m[1], m[2]));
    y[1] = sub(sub(m[1], m[2]), m[3]);
  } else {
    const VF a = add(m[1], m[2]), b = sub(m[1], m[2]), c = add(m[3], m[4]), d = sub(m[3], m[4]);
    y[0] = add(m[0], add(a, c));
    y[1] = fma(set1(2), d, b);
    y[2] = fma(set1(4), c, a);
    y[3] = add(m[5], fma(set1(8), d, b));
  }
}

template <int M, class Mask>
HONE_INLINE void finish_vector(const WinogradShape& shape, const float* product, int64_t position_step,
                               const Post& post, const Tile& tile, int64_t c, void* y, const Mask& mask) {
  constexpr int N = M + 2;
  const ConvShape& s = shape.conv;
  VF half[M][N];
  unroll<N>([&](auto j) __attribute__((always_inline)) {
    VF m[N], t[M];
    unroll<N>(HONE_EACH { m[i] = load(product + (i * N + j) * position_step); });
    backward<M>(m, t);
    unroll<M>(HONE_EACH { half[i][j] = t[i]; });
  });
  const ChannelPost channel = load_post(post, c, mask);
  const int64_t columns = (s.out_width - tile.ow + tile.step - 1) / tile.step, step = tile.step * s.y_row();
  unroll<M>([&](auto i) __attribute__((always_inline)) {
    const int64_t oh = tile.oh + i * tile.step;
    if (oh >= s.out_height) return;
    VF out[M];
    backward<M>(half[i], out);
    const int64_t at = ((tile.n * s.out_height + oh) * s.out_width + tile.ow) * s.y_row() + c;
    if (columns >= M) return finish<M>(post, channel, out, y, at, step, mask);
    for (int64_t k = 0; k < columns; ++k) {
      VF one[1] = {out[k]};
      finish<1>(post, channel, one, y, at + k * step, step, mask);
    }
  });
}

template <int M>
void finish_tiles(const WinogradShape& shape, const WinogradChunk& chunk, const Post& post, void* y, int64_t begin,
                  int64_t end) {
  const ConvShape& s = shape.conv;
  const int64_t position_step = position_floats(s.out_channels, chunk.count), whole = s.out_channels / kLanes * kLanes;
  for (int64_t index = begin; index < end; ++index) {
    const Tile tile = tile_at(shape, chunk.first + index);
    if (tile.oh >= s.out_height || tile.ow >= s.out_width) continue;  // the last of a dilated image's parts
    const float* product = static_cast<const float*>(chunk.product) + index * row_floats(s.out_channels);
    for (int64_t c = 0; c < whole; c += kLanes)
      finish_vector<M>(shape, product + c, position_step, post, tile, c, y, Full{});
    if (whole < s.out_channels)
      finish_vector<M>(shape, product + whole, position_step, post, tile, whole, y,
                       Part(static_cast<int>(s.out_channels - whole)));
  }
}

void winograd_finish(const WinogradShape& s, const WinogradChunk& chunk, const Epilogue& epilogue, void* y,
                     int64_t begin, int64_t end) {
  (s.tile == 4 ? finish_tiles<4> : finish_tiles<2>)(s, chunk, prepare(epilogue), y, begin, end);
}

}  // namespace

extern const WinogradKernels winograd;
const WinogradKernels winograd = {{winograd_packed_bytes, winograd_blocks, winograd_source_bytes,
                                   winograd_product_bytes, winograd_multiply, winograd_finish},
                                  winograd_first_channel, winograd_pack,
                                  winograd_transform};

}  // namespace hone::kernels::HONE_ISA
