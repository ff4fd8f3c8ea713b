// Softmax over inner axes, group, instance and local response normalization.
#include "kernels/normalize.hpp"

#include <math.h>

#include "kernels/simd/math.inl"

namespace hone::kernels::HONE_ISA {
namespace {

/// f(i, mask) over [0, count) a vector at a time.
template <class F>
HONE_INLINE void for_lanes(int64_t count, F f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, Full{});
  if (i < count) f(i, Part(static_cast<int>(count - i)));
}

/// f(outer index, first column, columns) over units of columns.
template <class F>
HONE_INLINE void for_columns(int64_t inner, int64_t begin, int64_t end, F f) {
  const int64_t units = column_units(inner);
  for (int64_t u = begin; u < end; ++u) {
    const int64_t first = u % units * kColumnUnit;
    f(u / units, first, inner - first < kColumnUnit ? inner - first : kColumnUnit);
  }
}

/// Tails of the buffers of 64 columns are read whole: what lies behind `count` belongs to nobody.
struct Columns {
  float value[kColumnUnit];
  void fill(float with) {
    for (int64_t i = 0; i < kColumnUnit; i += kLanes) store(value + i, set1(with));
  }
};

void softmax_columns(const float* x, float* y, int64_t length, int64_t inner, bool logarithm, int64_t begin,
                     int64_t end) {
  for_columns(inner, begin, end, [&](int64_t outer, int64_t first, int64_t count) {
    const float* from = x + outer * length * inner + first;
    float* to = y + outer * length * inner + first;
    Columns top, total;
    top.fill(-__builtin_inff());
    total.fill(0);
    for (int64_t k = 0; k < length; ++k)
      for_lanes(count, [&](int64_t i, const auto& m) {
        store(top.value + i, max(load(top.value + i), load(from + k * inner + i, m)));
      });
    for (int64_t k = 0; k < length; ++k)
      for_lanes(count, [&](int64_t i, const auto& m) {
        const VF v = sub(load(from + k * inner + i, m), load(top.value + i)), e = exp(v);
        store(total.value + i, add(load(total.value + i), e));
        store(to + k * inner + i, logarithm ? v : e, m);
      });
    for (int64_t i = 0; i < count; ++i) total.value[i] = logarithm ? logf(total.value[i]) : 1 / total.value[i];
    for (int64_t k = 0; k < length; ++k)
      for_lanes(count, [&](int64_t i, const auto& m) {
        const VF v = load(to + k * inner + i, m), t = load(total.value + i);
        store(to + k * inner + i, logarithm ? sub(v, t) : mul(v, t), m);
      });
  });
}

constexpr int64_t kPartial = 1024;  ///< elements summed in f32 before they join a double

/// The sum of f(x) of `count` neighbors, where f is 0 for what lies behind the end.
template <class F>
HONE_INLINE double sum_of(const float* x, int64_t count, F f) {
  double total = 0;
  int64_t at = 0;
  for (; at < count; at += kPartial) {
    const int64_t stop = count - at < kPartial ? count : at + kPartial;
    VF part = zero_f();
    int64_t i = at;
    for (; i + kLanes <= stop; i += kLanes) part = add(part, f(load(x + i)));
    total += static_cast<double>(sum(part));
    for (; i < stop; ++i) {
      float lanes[kLanes];
      store(lanes, f(set1(x[i])));
      total += static_cast<double>(lanes[0]);
    }
  }
  return total;
}

void group_norm(const float* x, int64_t groups, int64_t channels, int64_t plane, float epsilon, const float* scale,
                const float* bias, float* y, int64_t begin, int64_t end) {
  const int64_t count = channels * plane;
  for (int64_t g = begin; g < end; ++g) {
    const float* from = x + g * count;
    float* to = y + g * count;
    const double mean = sum_of(from, count, [](VF v) { return v; }) / static_cast<double>(count);
    const VF center = set1(static_cast<float>(mean));
    const double squares = sum_of(from, count, [&](VF v) {
      const VF d = sub(v, center);
      return mul(d, d);
    });
    const double inverse = 1 / sqrt(squares / static_cast<double>(count) + static_cast<double>(epsilon));
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t channel = g % groups * channels + c;
      const VF factor = set1(static_cast<float>(inverse) * scale[channel]), offset = set1(bias[channel]);
      for_lanes(plane, [&](int64_t i, const auto& m) {
        store(to + c * plane + i, fma(sub(load(from + c * plane + i, m), center), factor, offset), m);
      });
    }
  }
}

/// total = sum over the pixels of f(i, x) for each of `count` columns from `from`, f32 sums of 64 pixels at a time.
template <class F>
HONE_INLINE void sum_pixels(const float* from, int64_t pixels, int64_t channels, int64_t count, Columns& total, F f) {
  constexpr int64_t kRows = 64;
  total.fill(0);
  Columns part;
  for (int64_t at = 0; at < pixels; at += kRows) {
    part.fill(0);
    for (int64_t p = at; p < pixels && p < at + kRows; ++p)
      for_lanes(count, [&](int64_t i, const auto& m) {
        store(part.value + i, add(load(part.value + i), f(i, load(from + p * channels + i, m))));
      });
    for_lanes(count, [&](int64_t i, const auto&) {
      store(total.value + i, add(load(total.value + i), load(part.value + i)));
    });
  }
}

void instance_norm(const float* x, int64_t pixels, int64_t channels, float epsilon, const float* scale,
                   const float* bias, float* y, int64_t begin, int64_t end) {
  for_columns(channels, begin, end, [&](int64_t image, int64_t first, int64_t count) {
    const float* from = x + image * pixels * channels + first;
    float* to = y + image * pixels * channels + first;
    Columns mean, factor;
    const VF each = set1(1 / static_cast<float>(pixels));
    sum_pixels(from, pixels, channels, count, mean, [](int64_t, VF v) { return v; });
    for_lanes(count, [&](int64_t i, const auto&) { store(mean.value + i, mul(load(mean.value + i), each)); });
    sum_pixels(from, pixels, channels, count, factor, [&](int64_t i, VF v) {
      const VF d = sub(v, load(mean.value + i));
      return mul(d, d);
    });
    for_lanes(count, [&](int64_t i, const auto& m) {
      const VF deviation = square_root(fma(load(factor.value + i), each, set1(epsilon)));
      store(factor.value + i, div(load(scale + first + i, m), deviation));
    });
    for (int64_t p = 0; p < pixels; ++p)
      for_lanes(count, [&](int64_t i, const auto& m) {
        const VF d = sub(load(from + p * channels + i, m), load(mean.value + i));
        store(to + p * channels + i, fma(d, load(factor.value + i), load(bias + first + i, m)), m);
      });
  });
}

void local_response(const float* x, int64_t channels, int64_t before, int64_t after, float bias, float factor,
                    float beta, float* y, int64_t begin, int64_t end) {
  const bool usual = beta == 0.75f;
  for (int64_t r = begin; r < end; ++r) {
    const float* from = x + r * channels;
    float* to = y + r * channels;
    auto one = [&](int64_t c) {
      float squares = 0;
      for (int64_t k = c > before ? c - before : 0; k < channels && k <= c + after; ++k) squares += from[k] * from[k];
      to[c] = from[c] / powf(bias + factor * squares, beta);
    };
    int64_t c = 0;
    for (; c < before && c < channels; ++c) one(c);
    for (; usual && c + kLanes + after <= channels; c += kLanes) {
      VF squares = zero_f();
      for (int64_t k = -before; k <= after; ++k) {
        const VF v = load(from + c + k);
        squares = fma(v, v, squares);
      }
      const VF root = square_root(fma(squares, set1(factor), set1(bias)));
      store(to + c, div(load(from + c), mul(root, square_root(root))));
    }
    for (; c < channels; ++c) one(c);
  }
}

}  // namespace

extern const NormalizeKernels normalize;
const NormalizeKernels normalize{softmax_columns, group_norm, instance_norm, local_response};

}  // namespace hone::kernels::HONE_ISA
