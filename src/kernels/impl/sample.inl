// Weighted sums of gathered elements.
#include "kernels/sample.hpp"

#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

/// One vector of points on all planes. T: taps that are known when compiling, whose weights stay in registers; 0: any.
template <int T, class M>
HONE_INLINE void sample_points(const SampleTaps& taps, int64_t p, const float* x, int64_t x_plane, int64_t planes,
                               float* y, int64_t y_plane, const M& m) {
  const int32_t* index = taps.index + p;
  const float* weight = taps.weight + p;
  for (int64_t plane = 0; plane < planes; ++plane, x += x_plane, y += y_plane) {
    VF total = zero_f();
    if constexpr (T > 0) {
      unroll<T>(HONE_EACH {
        total = fma(load(weight + i * taps.stride, m), gather(x, index + i * taps.stride, m), total);
      });
    } else {
      for (int64_t t = 0; t < taps.taps; ++t)
        total = fma(load(weight + t * taps.stride, m), gather(x, index + t * taps.stride, m), total);
    }
    store(y + p, total, m);
  }
}

template <int T>
void sample_with(const SampleTaps& taps, const float* x, int64_t x_plane, int64_t planes, float* y, int64_t y_plane) {
  int64_t p = 0;
  for (; p + kLanes <= taps.points; p += kLanes) sample_points<T>(taps, p, x, x_plane, planes, y, y_plane, Full{});
  if (p < taps.points)
    sample_points<T>(taps, p, x, x_plane, planes, y, y_plane, Part(static_cast<int>(taps.points - p)));
}

void sample_run(const SampleTaps& taps, const float* x, int64_t x_plane, int64_t planes, float* y, int64_t y_plane) {
  if (taps.taps == 4) return sample_with<4>(taps, x, x_plane, planes, y, y_plane);
  if (taps.taps == 1) return sample_with<1>(taps, x, x_plane, planes, y, y_plane);
  sample_with<0>(taps, x, x_plane, planes, y, y_plane);
}

}  // namespace

extern const SampleKernels sample;
const SampleKernels sample{sample_run};

}  // namespace hone::kernels::HONE_ISA
