// Products of a few rows with unpacked weights: dot products along the rows of both.
#include "kernels/gemv.hpp"
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kChannelsAtOnce = 4;  ///< rows of weights that are read side by side

/// out[row * gemv_unit + i] for i < N: rows of x times N neighboring rows of w.
template <int R, int N>
HONE_INLINE void dots(const float* x, const float* w, int64_t depth, float* out) {
  VF acc[R * N];
  unroll<R * N>(HONE_EACH { acc[i] = zero_f(); });
  const auto add_up = [&](int64_t k, const auto& mask) __attribute__((always_inline)) {
    VF b[N];
    unroll<N>(HONE_EACH { b[i] = load(w + i * depth + k, mask); });
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const VF a = load(x + r * depth + k, mask);
      unroll<N>(HONE_EACH { acc[r * N + i] = fma(a, b[i], acc[r * N + i]); });
    });
  };
  int64_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) add_up(k, Full{});
  if (k < depth) add_up(k, Part(static_cast<int>(depth - k)));
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<N>(HONE_EACH { out[r * gemv_unit + i] = sum(acc[r * N + i]); });
  });
}

template <int R>
void gemv_units(const GemvShape& s, const float* x, const float* w, const Post& post, void* y, int64_t begin,
                int64_t end) {
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t first = unit * gemv_unit;
    const int64_t channels = s.channels - first < gemv_unit ? s.channels - first : gemv_unit;
    float out[R * gemv_unit] = {};
    int64_t c = 0;
    for (; c + kChannelsAtOnce <= channels; c += kChannelsAtOnce)
      dots<R, kChannelsAtOnce>(x, w + (first + c) * s.depth, s.depth, out + c);
    for (; c < channels; ++c) dots<R, 1>(x, w + (first + c) * s.depth, s.depth, out + c);
    for (int64_t at = 0; at < channels; at += kLanes) {
      const Part mask(static_cast<int>(channels - at < kLanes ? channels - at : kLanes));
      const ChannelPost channel = load_post(post, first + at, mask);
      for (int r = 0; r < R; ++r) {
        VF v[1] = {load(out + r * gemv_unit + at)};
        finish<1>(post, channel, v, y, r * s.channels + first + at, s.channels, mask);
      }
    }
  }
}

void gemv_run(const GemvShape& s, const float* x, const float* w, const Epilogue& epilogue, void* y, int64_t begin,
              int64_t end) {
  const Post post = prepare(epilogue);
  switch (s.rows) {
    case 1: return gemv_units<1>(s, x, w, post, y, begin, end);
    case 2: return gemv_units<2>(s, x, w, post, y, begin, end);
    case 3: return gemv_units<3>(s, x, w, post, y, begin, end);
    default: return gemv_units<4>(s, x, w, post, y, begin, end);
  }
}

}  // namespace

extern const GemvKernels gemv;
const GemvKernels gemv = {gemv_run};

}  // namespace hone::kernels::HONE_ISA
