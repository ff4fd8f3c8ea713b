// Image preprocessing. Vertical filtering runs over whole source rows in wide vectors; the rest handles a pixel as one
// vector of four channels, in chunks of pixels that are then stored in the target's type.
#include "kernels/impl/image_job.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

typedef float Pixel __attribute__((vector_size(16)));
constexpr int kChunk = 64;  ///< pixels

HONE_INLINE Pixel load_pixel(const float* p) {
  Pixel v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

/// Scale, shift and channel order.
struct Affine {
  Pixel scale = {}, shift = {};
  int source[4] = {0, 1, 2, 3};
  int channels;
  bool reorder = false;

  explicit Affine(const ImageJob& job) : channels(job.out_channels) {
    for (int c = 0; c < 4; ++c) {
      const bool used = c < job.out_channels && c < job.channels;
      scale[c] = used ? job.scale[c] : 0;
      shift[c] = used ? job.shift[c] : 0;
      source[c] = used ? job.source_channel[c] : 0;
      if (used && source[c] != c) reorder = true;
    }
  }
  /// One pixel to out[0, channels); may write up to out[3].
  HONE_INLINE void put(Pixel v, float* out) const {
    if (reorder) v = Pixel{v[source[0]], v[source[1]], v[source[2]], v[source[3]]};
    v = v * scale + shift;
    __builtin_memcpy(out, &v, sizeof v);
  }
};

Epilogue epilogue_of(const Target& target) {
  Epilogue e;
  e.out_type = target.type;
  e.out_inverse_scale = 1 / target.scale;
  e.out_zero = target.zero;
  return e;
}

void put_floats(const Post& post, const float* v, int64_t count, void* y, int64_t at) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VF one[1] = {load(v + i)};
    finish(post, load_post(post, 0, Full{}), one, y, at + i, kLanes, Full{});
  }
  if (i < count) {
    const Part m(static_cast<int>(count - i));
    const VF one[1] = {load(v + i, m)};
    finish(post, load_post(post, 0, m), one, y, at + i, kLanes, m);
  }
}

/// One output row: pixel(i) gives its pixels before scale and shift.
template <class F>
HONE_INLINE void put_row(const ImageJob& job, const Affine& affine, const Post& post, void* y, int64_t row, F pixel) {
  float chunk[kChunk * 4 + 4];
  for (int64_t first = 0; first < job.out_width; first += kChunk) {
    const int64_t n = job.out_width - first < kChunk ? job.out_width - first : kChunk;
    for (int64_t i = 0; i < n; ++i) affine.put(pixel(first + i), chunk + i * affine.channels);
    put_floats(post, chunk, n * affine.channels, y, (row * job.out_width + first) * affine.channels);
  }
}

/// Channels in order and none added: a flat row in which scale and shift repeat every `channels` vectors.
void affine_flat(const ImageJob& job, const uint8_t* x, int64_t row_bytes, void* y, int64_t begin, int64_t end,
                 const Post& post) {
  const int channels = job.channels;
  VF scale[4], shift[4];
  float lanes[4 * kLanes];
  for (const bool shifts : {false, true}) {
    for (int i = 0; i < channels * kLanes; ++i) lanes[i] = (shifts ? job.shift : job.scale)[i % channels];
    for (int k = 0; k < channels; ++k) (shifts ? shift : scale)[k] = load(lanes + k * kLanes);
  }
  const int64_t count = job.out_width * channels;
  auto put = [&](const uint8_t* from, int k, int64_t at, const auto& m) {
    const VF one[1] = {fma(to_float(widen_u8(load_bytes(from, m))), scale[k], shift[k])};
    finish(post, load_post(post, 0, m), one, y, at, kLanes, m);
  };
  for (int64_t r = begin; r < end; ++r) {
    const uint8_t* row = x + r * row_bytes;
    int64_t i = 0;
    int k = 0;
    for (; i + kLanes <= count; i += kLanes) {
      put(row + i, k, r * count + i, Full{});
      if (++k == channels) k = 0;
    }
    if (i < count) put(row + i, k, r * count + i, Part(static_cast<int>(count - i)));
  }
}

void affine(const ImageJob& job, const uint8_t* x, int64_t row_bytes, void* y, int64_t begin, int64_t end) {
  const Epilogue e = epilogue_of(job.target);
  const Post post = prepare(e);
  const Affine map(job);
  if (!map.reorder && job.channels == job.out_channels) return affine_flat(job, x, row_bytes, y, begin, end, post);
  for (int64_t r = begin; r < end; ++r) {
    const uint8_t* row = x + r * row_bytes;
    put_row(job, map, post, y, r, [&](int64_t i) {
      Pixel v = {};
      for (int c = 0; c < job.channels; ++c) v[c] = row[i * job.channels + c];
      return v;
    });
  }
}

/// out = the weighted sum of `taps` source rows; `out` has room for whole vectors only up to `count`.
void filter_rows(const uint8_t* x, int64_t row_bytes, const int32_t* index, const float* weights, int taps, float* out,
                 int64_t count) {
  auto block = [&](auto n, int64_t i, const auto& m) {
    constexpr int N = decltype(n)::value;
    VF sum[N];
    unroll<N>([&](auto k) __attribute__((always_inline)) { sum[k] = zero_f(); });
    for (int t = 0; t < taps; ++t) {
      if (weights[t] == 0) continue;
      const uint8_t* row = x + index[t] * row_bytes + i;
      const VF w = set1(weights[t]);
      unroll<N>([&](auto k) __attribute__((always_inline)) {
        sum[k] = fma(to_float(widen_u8(load_bytes(row + k * kLanes, m))), w, sum[k]);
      });
    }
    unroll<N>([&](auto k) __attribute__((always_inline)) { store(out + i + k * kLanes, sum[k], m); });
  };
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) block(Index<4>{}, i, Full{});
  for (; i + kLanes <= count; i += kLanes) block(Index<1>{}, i, Full{});
  if (i < count) block(Index<1>{}, i, Part(static_cast<int>(count - i)));
}

void resize(const ImageJob& job, const uint8_t* x, int64_t row_bytes, void* y, float* scratch, int64_t begin,
            int64_t end) {
  const Epilogue e = epilogue_of(job.target);
  const Post post = prepare(e);
  const Affine map(job);
  const int64_t count = job.width * job.channels;
  for (int i = 0; i < 4; ++i) scratch[count + i] = 0;
  const AxisView& rows = job.rows;
  const AxisView& columns = job.columns;
  for (int64_t r = begin; r < end; ++r) {
    filter_rows(x, row_bytes, rows.index + r * rows.taps, rows.weights + r * rows.taps, rows.taps, scratch, count);
    put_row(job, map, post, y, r, [&](int64_t i) {
      const int32_t* index = columns.index + i * columns.taps;
      const float* weights = columns.weights + i * columns.taps;
      Pixel sum = {};
      for (int t = 0; t < columns.taps; ++t) sum += load_pixel(scratch + index[t] * job.channels) * weights[t];
      return sum;
    });
  }
}

}  // namespace

extern const ImageKernels image;
const ImageKernels image{affine, resize};

}  // namespace hone::kernels::HONE_ISA
