// Convolution in f32. A tile is P neighboring output pixels times V vectors of output channels; all accumulators stay
// in registers while the tile walks over taps and input channels.
//
// A few output channels would not fill a vector, and one vector of them would need one load of input for each
// multiplication. They are done by quads: a lane is one output channel and one of four neighboring input channels, so
// that one load of four numbers serves the multiplications with all vectors of weights, and the four parts of a sum
// are added in the end.
#include "kernels/impl/conv_tiles.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kQuadChannels = kLanes / 4;  ///< output channels of a vector of quads
constexpr int kMaxQuads = 6;
// Sums by quads are rounded in another order. Among many channels, as the classes of a classifier, the few of the rest
// would save next to nothing, and equal weights of all would give unequal logits.
constexpr int kMixedVectors = 8;

/// Output channels of a group: blocks of whole vectors, as equal as they can be, then perhaps one block of quads.
struct Blocks {
  int64_t channels;  ///< in whole vectors; the last one may be filled in part
  int64_t vectors, blocks;
  int quads;         ///< vectors of the last block, which has the other channels

  explicit HONE_INLINE Blocks(const ConvShape& s) : channels(s.group_out_channels()), quads(0) {
    const int64_t rest = channels % kLanes;
    int64_t by_quads = 0;
    if (channels <= kMaxQuads * kQuadChannels) by_quads = channels;
    else if (rest <= kLanes / 2 && channels <= kMixedVectors * kLanes) by_quads = rest;
    if (s.group_channels() % 4 == 0 && by_quads > 0) {
      channels -= by_quads;
      quads = static_cast<int>((by_quads + kQuadChannels - 1) / kQuadChannels);
      if (quads == 5) quads = 6;
    }
    vectors = (channels + kLanes - 1) / kLanes;
    blocks = (vectors + kMaxVectors - 1) / kMaxVectors;
  }
  HONE_INLINE int64_t all() const { return blocks + (quads > 0); }
  HONE_INLINE int64_t width() const { return vectors * kLanes + quads * kQuadChannels; }  ///< weights of an input
};

struct FloatBlock {
  int64_t channel;         ///< first of all output channels
  int64_t input;           ///< first input channel
  int64_t before;          ///< weights of an input that the blocks before have
  int channels, vectors;   ///< vectors of quads, if it is by quads
  bool quads;
};

HONE_INLINE FloatBlock float_block(const ConvShape& s, const Blocks& of, int64_t index) {
  const int64_t group = index / of.all(), i = index % of.all(), out = s.group_out_channels();
  FloatBlock b{group * out, group * s.group_channels(), group * of.width(), 0, 0, i == of.blocks};
  if (b.quads) {
    b.channel += of.channels, b.before += of.vectors * kLanes;
    b.channels = static_cast<int>(out - of.channels), b.vectors = of.quads;
    return b;
  }
  const int64_t least = of.vectors / of.blocks, more = of.vectors % of.blocks;
  const int64_t first = (i * least + (i < more ? i : more)) * kLanes;
  b.channel += first, b.before += first;
  b.vectors = static_cast<int>(least + (i < more));
  const int64_t left = of.channels - first;
  b.channels = static_cast<int>(left < b.vectors * kLanes ? left : b.vectors * kLanes);
  return b;
}

int64_t count_float_blocks(const ConvShape& s) { return s.groups * Blocks(s).all(); }
int64_t first_float_channel(const ConvShape& s, int64_t block) { return float_block(s, Blocks(s), block).channel; }

// Packed: per block, [tap][input channel][vectors x lanes], or by quads [tap][input channel / 4][vectors][lanes];
// behind all blocks a row of zeros for padding.
HONE_INLINE int64_t all_weights(const ConvShape& s) {
  return s.groups * Blocks(s).width() * s.taps() * s.group_channels();
}
size_t conv_f32_packed_bytes(const ConvShape& s) {
  return static_cast<size_t>((all_weights(s) + kLanes - 1) / kLanes * kLanes + s.group_channels() + 16) *
         sizeof(float);
}
HONE_INLINE int64_t zeros_at(const ConvShape& s) { return (all_weights(s) + kLanes - 1) / kLanes * kLanes; }

/// A block by pieces of a few input channels: filters lie a large power of two apart, so that walking across them all
/// for each weight finds nothing left in the first-level cache.
void pack_block(const float* w, int64_t taps, int64_t depth, int channels, int vectors, float* panel) {
  constexpr int kPiece = 128;  // weights of a filter
  float piece[kPiece][kLanes];
  const int64_t step = kPiece / taps, width = vectors * kLanes;
  const bool aligned = reinterpret_cast<uintptr_t>(panel) % (kLanes * sizeof(float)) == 0;
  for (int v = 0; v < vectors; ++v) {
    const int lanes = channels - v * kLanes < kLanes ? channels - v * kLanes : kLanes;
    if (lanes < kLanes)
      for (auto& row : piece)
        for (float& value : row) value = 0;
    for (int64_t k = 0; k < depth; k += step) {
      const int64_t end = k + step < depth ? k + step : depth;
      for (int lane = 0; lane < lanes; ++lane) {
        const float* filter = w + ((v * kLanes + lane) * depth + k) * taps;
        for (int64_t i = 0; i < (end - k) * taps; ++i) piece[i][lane] = filter[i];
      }
      const float* row = piece[0];
      for (int64_t i = k; i < end; ++i)
        for (int64_t tap = 0; tap < taps; ++tap, row += kLanes) {
          float* to = panel + (tap * depth + i) * width + v * kLanes;
          // Memory that nobody reads for long; with the blocks of quads of a group before, not aligned.
          if (aligned) stream(to, load(row));
          else store(to, load(row));
        }
    }
  }
  finish_stream();
}

/// Quads of the group of vectors that begins with vector 4 g: so many make kLanes output channels, or what is left.
HONE_INLINE int quads_of(int quads, int g) { return quads - 4 * g < 4 ? quads - 4 * g : 4; }

void pack_quads(const float* w, int64_t taps, int64_t depth, int channels, int quads, float* panel) {
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t k = 0; k < depth; k += 4)
      for (int q = 0; q < quads; ++q)
        for (int lane = 0; lane < kLanes; ++lane) {
          // Within a group, vector q has channels q, q + n, q + 2 n ..., but for how sums_of_four() orders four.
          constexpr int order[4] = {0, 2, 1, 3};
          const int g = q / 4, n = quads_of(quads, g), at = n == 4 ? order[q % 4] : q % 4;
          const int c = g * kLanes + lane / 4 * n + at;
          *panel++ = c < channels ? w[(c * depth + k + lane % 4) * taps + tap] : 0;
        }
}

void conv_f32_pack(const ConvShape& s, const float* w, void* memory, int64_t begin, int64_t end) {
  float* packed = static_cast<float*>(memory);
  const int64_t depth = s.group_channels(), taps = s.taps();
  const Blocks blocks(s);
  for (int64_t index = begin; index < end; ++index) {
    const FloatBlock b = float_block(s, blocks, index);
    float* panel = packed + b.before * taps * depth;
    const float* first = w + b.channel * depth * taps;
    if (b.quads) {
      pack_quads(first, taps, depth, b.channels, b.vectors, panel);
      continue;
    }
    if (taps <= 32) {
      pack_block(first, taps, depth, b.channels, b.vectors, panel);
      continue;
    }
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t k = 0; k < depth; ++k)
        for (int c = 0; c < b.vectors * kLanes; ++c)
          *panel++ = c < b.channels ? first[(c * depth + k) * taps + tap] : 0;
  }
  if (begin > 0) return;
  float* row = packed + zeros_at(s);
  for (int64_t k = 0; k < depth + 16; ++k) row[k] = 0;
}

/// `runs` stretches of `depth` neighboring numbers make an output pixel's input: its taps, or its rows of taps where
/// these are neighbors in memory.
struct Stretches {
  int64_t runs, depth;
  int64_t line, next;  ///< how far the next stretch, and the next pixel, are
};

struct TileJob {
  const Post* post;
  const float *w, *outside;
  Stretches taps, rows;
  int64_t channel, y_row;
  int channels;
  void* y;
};

/// Where a run of a tile reads: pointers[run * P + i], or, without pointers, evenly spaced from `first` on.
template <int P>
HONE_INLINE void find_inputs(const Stretches& s, int64_t run, const float* const* pointers, const float* first,
                             const float* (&a)[P]) {
  if (pointers) {
    unroll<P>(HONE_EACH { a[i] = pointers[run * P + i]; });
  } else {
    first += run * s.line;
    unroll<P>(HONE_EACH { a[i] = first + i * s.next; });
  }
}

/// True when all pixels of a tile read padding: wide windows on small images meet little else.
template <int P>
HONE_INLINE bool all_outside(const float* const (&a)[P], const float* outside) {
  if (a[0] != outside) return false;
  bool all = true;
  unroll<P>(HONE_EACH { all &= a[i] == outside; });
  return all;
}

template <int P, int V>
HONE_INLINE void step(const float* const* a, int64_t k, const float* w, VF (&acc)[P * V]) {
  VF b[V];
  unroll<V>(HONE_EACH { b[i] = load(w + i * kLanes); });
  unroll<P>([&](auto p) __attribute__((always_inline)) {
    VF x = set1(a[p][k]);
    unroll<V>(HONE_EACH { acc[p * V + i] = fma(x, b[i], acc[p * V + i]); });
  });
}

template <int P, int V>
HONE_NOINLINE void conv_f32_tile(const TileJob& job, const float* const* pointers, const float* first,
                                 int64_t pixel) {
  const Stretches& input = pointers ? job.taps : job.rows;
  const int64_t runs = input.runs, depth = input.depth;
  VF acc[P * V];
  unroll<P * V>(HONE_EACH { acc[i] = zero_f(); });
  const float* w = job.w;
  for (int64_t run = 0; run < runs; ++run) {
    const float* a[P];
    find_inputs<P>(input, run, pointers, first, a);
    if (all_outside<P>(a, job.outside)) {
      w += depth * V * kLanes;
      continue;
    }
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4, w += 4 * V * kLanes) {
      step<P, V>(a, k, w, acc);
      step<P, V>(a, k + 1, w + V * kLanes, acc);
      step<P, V>(a, k + 2, w + 2 * V * kLanes, acc);
      step<P, V>(a, k + 3, w + 3 * V * kLanes, acc);
    }
    for (; k < depth; ++k, w += V * kLanes) step<P, V>(a, k, w, acc);
  }
  finish_tile<P, V>(*job.post, job.channel, job.channels, job.y_row, job.y, pixel,
                    [&](auto p, auto v) __attribute__((always_inline)) { return acc[p * V + v]; });
}

/// Lanes of the sums of n < 4 quads that are output channels, in order.
constexpr int kNarrow[3][16] = {{0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                                {0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0},
                                {0, 2, 1, 4, 6, 5, 8, 10, 9, 12, 14, 13, 0, 0, 0, 0}};

template <int N>
HONE_INLINE VF quad_sums(const VF* q) {
  if constexpr (N == 4) return sums_of_four(q[0], q[1], q[2], q[3]);
  const VF sums = sums_of_four(q[0], q[N > 1 ? 1 : 0], q[N > 2 ? 2 : 0], q[0]);
  return permuted(sums, load_i32(kNarrow[N < 4 ? N - 1 : 0]));
}

template <int P, int Q>
HONE_NOINLINE void conv_f32_quads(const TileJob& job, const float* const* pointers, const float* first,
                                  int64_t pixel) {
  const Stretches& input = pointers ? job.taps : job.rows;
  const int64_t runs = input.runs, depth = input.depth;
  VF acc[P * Q];
  unroll<P * Q>(HONE_EACH { acc[i] = zero_f(); });
  const float* w = job.w;
  for (int64_t run = 0; run < runs; ++run) {
    const float* a[P];
    find_inputs<P>(input, run, pointers, first, a);
    for (int64_t k = 0; k < depth; k += 4, w += Q * kLanes) {
      VF b[Q];
      unroll<Q>(HONE_EACH { b[i] = load(w + i * kLanes); });
      unroll<P>([&](auto p) __attribute__((always_inline)) {
        const VF x = load_four(a[p] + k);
        unroll<Q>(HONE_EACH { acc[p * Q + i] = fma(x, b[i], acc[p * Q + i]); });
      });
    }
  }
  finish_tile<P, (Q + 3) / 4>(*job.post, job.channel, job.channels, job.y_row, job.y, pixel,
                              [&](auto p, auto g) __attribute__((always_inline)) {
                                constexpr int at = decltype(g)::value * 4, n = Q - at < 4 ? Q - at : 4;
                                return quad_sums<n>(acc + p * Q + at);
                              });
}

using RunTile = void (*)(const TileJob&, const float* const*, const float*, int64_t);

/// A block's tiles of `Most`, 8, 4, 2 and 1 pixels.
constexpr int tile_index(int pixels, int most) {
  return pixels == most ? 0 : pixels == 8 ? 1 : pixels == 4 ? 2 : pixels == 2 ? 3 : 4;
}

template <int Most>
void walk_floats(const ConvShape& s, const TileJob& job, const RunTile* tiles, const float* x, const float* outside,
                 int64_t begin, int64_t end) {
  if (job.rows.runs == 0)
    return walk_tiles<Most, false>(
        s, x, outside, begin, end, [&](auto pixels, auto pointers, int64_t pixel) __attribute__((always_inline)) {
          tiles[tile_index(pixels, Most)](job, pointers, nullptr, pixel);
        });
  walk_tiles<Most, true>(
      s, x, outside, begin, end, [&](auto pixels, auto at, int64_t pixel) __attribute__((always_inline)) {
        const RunTile tile = tiles[tile_index(pixels, Most)];
        if constexpr (sizeof(*at) == sizeof(float)) tile(job, nullptr, at, pixel);
        else tile(job, at, nullptr, pixel);
      });
}

using RunBlock = void (*)(const ConvShape&, const TileJob&, const RunTile*, const float*, const float*, int64_t,
                          int64_t);
struct BlockKernel {
  RunBlock run;
  RunTile tiles[5];
};
template <int P, int V, bool Quads>
constexpr RunTile tile_kernel() {
  if constexpr (Quads) return conv_f32_quads<P, V>;
  else return conv_f32_tile<P, V>;
}
template <int V, bool Quads>
constexpr BlockKernel block_kernel() {
  constexpr int most = kTileVectors / V < kMaxPixels ? kTileVectors / V : kMaxPixels;
  return {walk_floats<most>,
          {tile_kernel<most, V, Quads>(), tile_kernel<(most > 8 ? 8 : 1), V, Quads>(),
           tile_kernel<(most > 4 ? 4 : 1), V, Quads>(), tile_kernel<(most > 2 ? 2 : 1), V, Quads>(),
           tile_kernel<1, V, Quads>()}};
}
constexpr BlockKernel kByQuads[] = {block_kernel<1, true>(), block_kernel<2, true>(), block_kernel<3, true>(),
                                    block_kernel<4, true>(), block_kernel<6, true>(), block_kernel<6, true>()};
constexpr BlockKernel kByVectors[] = {block_kernel<1, false>(), block_kernel<2, false>(),
                                      block_kernel<kMaxVectors == 4 ? 3 : 1, false>(),
                                      block_kernel<kMaxVectors, false>()};

/// Pixels that all channel blocks pass over before the next. Few have their input stay in the second-level cache; but
/// weights that do not stay there are read once a chunk. Whatever moves fewer bytes, in chunks of nearly equal size: a
/// short last one would read all weights for next to nothing.
HONE_INLINE int64_t float_chunk(const ConvShape& s, const ConvRange& range) {
  constexpr double kStays = 640 * 1024;
  const int64_t pixels = range.pixel_end - range.pixel_begin, blocks = range.block_end - range.block_begin;
  const double row = static_cast<double>(s.channels * s.stride_h * s.stride_w * 4),
               weights = 4.0 * static_cast<double>(all_weights(s) * blocks) / static_cast<double>(count_float_blocks(s));
  const int64_t few = chunk_pixels(s, sizeof(float), 0), more = static_cast<int64_t>(kStays / row) / 24 * 24;
  int64_t best = few;
  double least = 0;
  for (int64_t chunk : {few, more > few ? more : few, pixels}) {
    if (chunk > pixels) chunk = pixels;
    const int64_t chunks = (pixels + chunk - 1) / chunk;
    const double bytes =
        weights * static_cast<double>(weights > kStays ? chunks : 1) +
        row * static_cast<double>(pixels * (row * static_cast<double>(chunk) > kStays ? blocks : 1));
    if (least == 0 || bytes < least) least = bytes, best = chunk;
  }
  const int64_t chunks = (pixels + best - 1) / best;
  return ((pixels + chunks - 1) / chunks + 11) / 12 * 12;
}

void conv_f32_run(const ConvShape& s, const float* x, const void* packed, const Epilogue& epilogue, void* y,
                  const ConvRange& range) {
  const Post post = prepare(epilogue);
  const float* w = static_cast<const float*>(packed);
  const float* outside = w + zeros_at(s);
  const int64_t chunk = float_chunk(s, range), depth = s.group_channels();
  const bool by_rows = s.groups == 1 && s.dilation_w == 1;
  const Stretches taps{s.taps(), depth, 0, 0},
      rows{by_rows ? s.kernel_h : 0, s.kernel_w * depth, s.dilation_h * s.width * depth, s.stride_w * depth};
  const Blocks blocks(s);
  for (int64_t begin = range.pixel_begin; begin < range.pixel_end; begin += chunk) {
    const int64_t end = begin + chunk < range.pixel_end ? begin + chunk : range.pixel_end;
    for (int64_t index = range.block_begin; index < range.block_end; ++index) {
      const FloatBlock b = float_block(s, blocks, index);
      const TileJob job{&post,     w + b.before * s.taps() * depth, outside, taps, rows, b.channel,
                        s.y_row(), b.channels, y};
      const BlockKernel& kernel = (b.quads ? kByQuads : kByVectors)[b.vectors - 1];
      kernel.run(s, job, kernel.tiles, x + b.input, outside, begin, end);
    }
  }
}

}  // namespace

extern const ConvF32Kernels conv_f32;
const ConvF32Kernels conv_f32 = {count_float_blocks, first_float_channel, conv_f32_packed_bytes, conv_f32_pack,
                                 conv_f32_run};

}  // namespace hone::kernels::HONE_ISA
