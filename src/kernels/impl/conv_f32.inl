// Convolution in f32. A tile is P neighboring output pixels times V vectors of output channels; all accumulators stay
// in registers while the tile walks over taps and input channels.
#include "kernels/impl/conv_tiles.inl"

namespace hone::kernels::HONE_ISA {
namespace {

// Packed: per block, [tap][input channel][vectors x lanes]; behind all blocks a row of zeros for padding.
size_t conv_f32_packed_bytes(const ConvShape& s) {
  return static_cast<size_t>(all_vectors(s) * s.taps() * s.group_channels() * kLanes + s.group_channels() + 16) *
         sizeof(float);
}

HONE_INLINE const float* zeros(const ConvShape& s, const float* packed) {
  return packed + all_vectors(s) * s.taps() * s.group_channels() * kLanes;
}

/// A block by pieces of a few input channels: filters lie a large power of two apart, so that walking across them all
/// for each weight finds nothing left in the first-level cache.
void pack_block(const float* w, int64_t taps, int64_t depth, int channels, int vectors, float* panel) {
  constexpr int kPiece = 128;  // weights of a filter
  float piece[kPiece][kLanes];
  const int64_t step = kPiece / taps, width = vectors * kLanes;
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
        for (int64_t tap = 0; tap < taps; ++tap, row += kLanes)
          store(panel + (tap * depth + i) * width + v * kLanes, load(row));
    }
  }
}

void conv_f32_pack(const ConvShape& s, const float* w, void* memory, int64_t begin, int64_t end) {
  float* packed = static_cast<float*>(memory);
  const int64_t depth = s.group_channels(), taps = s.taps();
  for (int64_t index = begin; index < end; ++index) {
    const Block b = block_at(s, index);
    float* panel = packed + vectors_before(s, index) * taps * depth * kLanes;
    const float* first = w + (b.group * s.group_out_channels() + b.first) * depth * taps;
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
  float* row = packed + all_vectors(s) * taps * depth * kLanes;
  for (int64_t k = 0; k < depth + 16; ++k) row[k] = 0;
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
HONE_NOINLINE void conv_f32_tile(const ConvShape& s, const float* const* pointers, const float* w, const Post& post,
                                 int64_t channel, int channels, void* y, int64_t pixel) {
  VF acc[P * V];
  unroll<P * V>(HONE_EACH { acc[i] = zero_f(); });
  const int64_t depth = s.group_channels(), taps = s.taps();
  for (int64_t tap = 0; tap < taps; ++tap) {
    const float* a[P];
    unroll<P>(HONE_EACH { a[i] = pointers[tap * P + i]; });
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4, w += 4 * V * kLanes) {
      step<P, V>(a, k, w, acc);
      step<P, V>(a, k + 1, w + V * kLanes, acc);
      step<P, V>(a, k + 2, w + 2 * V * kLanes, acc);
      step<P, V>(a, k + 3, w + 3 * V * kLanes, acc);
    }
    for (; k < depth; ++k, w += V * kLanes) step<P, V>(a, k, w, acc);
  }
  finish_tile<P, V>(post, channel, channels, s.out_channels, y, pixel,
                    [&](auto p, auto v) __attribute__((always_inline)) { return acc[p * V + v]; });
}

template <int V>
void conv_f32_block(const ConvShape& s, const float* x, const float* packed, int64_t index, const Post& post, void* y,
                    int64_t begin, int64_t end) {
  const Block b = block_at(s, index);
  const float* panel = packed + vectors_before(s, index) * s.taps() * s.group_channels() * kLanes;
  const float* outside = zeros(s, packed);
  const int64_t channel = b.group * s.group_out_channels() + b.first;
  constexpr int most = kTileVectors / V < kMaxPixels ? kTileVectors / V : kMaxPixels;
  walk_tiles<most, false>(s, x + b.group * s.group_channels(), outside, begin, end,
                   [&](auto pixels, const float* const* pointers, int64_t pixel) __attribute__((always_inline)) {
                     conv_f32_tile<decltype(pixels)::value, V>(s, pointers, panel, post, channel, b.channels, y, pixel);
                   });
}

void conv_f32_run(const ConvShape& s, const float* x, const void* packed, const Epilogue& epilogue, void* y,
                  const ConvRange& range) {
  const Post post = prepare(epilogue);
  const float* w = static_cast<const float*>(packed);
  const int64_t chunk = chunk_pixels(s, sizeof(float), 0);
  for (int64_t begin = range.pixel_begin; begin < range.pixel_end; begin += chunk) {
    const int64_t end = begin + chunk < range.pixel_end ? begin + chunk : range.pixel_end;
    for (int64_t index = range.block_begin; index < range.block_end; ++index) {
      const int vectors = block_at(s, index).vectors;
      if (vectors == 1) conv_f32_block<1>(s, x, w, index, post, y, begin, end);
      else if (vectors == 2) conv_f32_block<2>(s, x, w, index, post, y, begin, end);
      else if constexpr (kMaxVectors == 4) {
        if (vectors == 3) conv_f32_block<3>(s, x, w, index, post, y, begin, end);
        else conv_f32_block<4>(s, x, w, index, post, y, begin, end);
      }
    }
  }
}

}  // namespace

extern const ConvF32Kernels conv_f32;
const ConvF32Kernels conv_f32 = {count_blocks, conv_f32_packed_bytes, conv_f32_pack, conv_f32_run};

}  // namespace hone::kernels::HONE_ISA
