#include "train/segmentation/pixel_loss.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

// One version of the loops an instruction set; the fitting one is chosen when the program is loaded.
#if defined(__x86_64__)
#define HONE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HONE_CLONES
#endif

namespace hone {

namespace {

constexpr int64_t block = 32;  ///< pixels side by side, so that loops run over them and not over a handful of classes

/// values[c][i] becomes exp(values[c][i] - max over c), sums[i] their sum and shift[i] the maximum. exp(x) = 2^n * 2^f
/// with a polynomial for 2^f (Cephes), within 1e-7.
HONE_CLONES void exponentials(float* __restrict values, int64_t classes, float* __restrict shift,
                              float* __restrict sums) {
  for (int64_t i = 0; i < block; ++i) shift[i] = values[i], sums[i] = 0;
  for (int64_t c = 1; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) shift[i] = std::max(shift[i], values[c * block + i]);
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) {
      float x = values[c * block + i] - shift[i];
      x = x < -87.0f ? -87.0f : x;
      float n = std::floor(x * 1.44269504f + 0.5f);
      float f = x - n * 0.693359375f + n * 2.12194440e-4f;
      float p = 1.9875691500e-4f;
      p = p * f + 1.3981999507e-3f;
      p = p * f + 8.3334519073e-3f;
      p = p * f + 4.1665795894e-2f;
      p = p * f + 1.6666665459e-1f;
      p = p * f + 5.0000001201e-1f;
      p = p * f * f + f + 1.0f;
      p *= std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
      values[c * block + i] = p;
      sums[i] += p;
    }
}

HONE_CLONES void scale_rows(float* __restrict values, int64_t classes, const float* __restrict factor) {
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) values[c * block + i] *= factor[i];
}

}  // namespace

double pixel_cross_entropy(const float* scores, const uint8_t* targets, int64_t count, int64_t classes,
                           const float* weights, float* gradient) {
  std::vector<float> values(static_cast<size_t>(classes * block), 0.0f);
  float shift[block], sums[block], factor[block];
  double total = 0;
  for (int64_t first = 0; first < count; first += block) {
    int64_t used = std::min(block, count - first);
    const float* rows = scores + first * classes;
    for (int64_t i = 0; i < used; ++i)
      for (int64_t c = 0; c < classes; ++c) values[static_cast<size_t>(c * block + i)] = rows[i * classes + c];
    exponentials(values.data(), classes, shift, sums);
    for (int64_t i = 0; i < block; ++i) {
      bool counts = i < used && targets[first + i] < classes;
      float weight = counts ? weights[targets[first + i]] : 0.0f;
      factor[i] = weight / sums[i];
      if (counts) total += weight * (std::log(sums[i]) + shift[i] - rows[i * classes + targets[first + i]]);
    }
    if (!gradient) continue;
    scale_rows(values.data(), classes, factor);
    float* out = gradient + first * classes;
    for (int64_t i = 0; i < used; ++i) {
      for (int64_t c = 0; c < classes; ++c) out[i * classes + c] = values[static_cast<size_t>(c * block + i)];
      if (targets[first + i] < classes) out[i * classes + targets[first + i]] -= weights[targets[first + i]];
    }
  }
  return total;
}

}  // namespace hone
