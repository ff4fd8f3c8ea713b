// Pooling: one output pixel at a time, a few vectors of channels per pass over its window; and softmax.
#include "kernels/pool.hpp"
#include "kernels/simd/epilogue.inl"
#include "kernels/simd/softmax.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kWide = 4;  ///< vectors of channels per pass

/// The taps of one window along one axis that lie inside of the input: input index = first + tap * dilation.
struct Taps1 {
  int64_t first;
  int begin, end;  ///< taps inside of the input
  int counted;     ///< taps inside of the input and its padding
};

Taps1 taps_of(int64_t out, int stride, int pad_before, int pad_after, int kernel, int dilation, int64_t size) {
  Taps1 t{out * stride - pad_before, kernel, 0, 0};
  for (int k = 0; k < kernel; ++k) {
    const int64_t at = t.first + static_cast<int64_t>(k) * dilation;
    if (at >= 0 && at < size) {
      if (k < t.begin) t.begin = k;
      t.end = k + 1;
    }
    if (at < size + pad_after) ++t.counted;
  }
  if (t.begin > t.end) t.begin = t.end;
  return t;
}

struct Window {
  Taps1 h, w;
  const PoolShape* s;

  /// f(pixel index within the image) for every pixel of the window.
  template <class F>
  HONE_INLINE void each(F f) const {
    for (int kh = h.begin; kh < h.end; ++kh) {
      const int64_t row = (h.first + static_cast<int64_t>(kh) * s->dilation_h) * s->width;
      for (int kw = w.begin; kw < w.end; ++kw) f(row + w.first + static_cast<int64_t>(kw) * s->dilation_w);
    }
  }
  int inside() const { return (h.end - h.begin) * (w.end - w.begin); }
  int divisor() const { return s->count_include_pad ? h.counted * w.counted : inside(); }
};

/// f(image, window, output pixel) over the output rows [begin, end).
template <class F>
HONE_INLINE void for_windows(const PoolShape& s, int64_t begin, int64_t end, F f) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t oh = r % s.out_height;
    const Taps1 h = taps_of(oh, s.stride_h, s.pad_top, s.pad_bottom, s.kernel_h, s.dilation_h, s.height);
    for (int64_t ow = 0; ow < s.out_width; ++ow) {
      const Taps1 w = taps_of(ow, s.stride_w, s.pad_left, s.pad_right, s.kernel_w, s.dilation_w, s.width);
      f(r / s.out_height, Window{h, w, &s}, r * s.out_width + ow);
    }
  }
}

/// f(Index<vectors>, channel, mask) over [c0, c1).
template <class F>
HONE_INLINE void for_channels(int64_t c0, int64_t c1, F f) {
  int64_t c = c0;
  for (; c + kWide * kLanes <= c1; c += kWide * kLanes) f(Index<kWide>{}, c, Full{});
  for (; c + kLanes <= c1; c += kLanes) f(Index<1>{}, c, Full{});
  if (c < c1) f(Index<1>{}, c, Part(static_cast<int>(c1 - c)));
}

void max_f32(const PoolShape& s, const float* x, float* y, int64_t begin, int64_t end) {
  for_windows(s, begin, end, [&](int64_t image, const Window& window, int64_t out) {
    const float* from = x + image * s.height * s.width * s.channels;
    for_channels(0, s.channels, [&](auto n, int64_t c, const auto& m) {
      constexpr int N = decltype(n)::value;
      VF v[N];
      unroll<N>(HONE_EACH { v[i] = set1(-__builtin_inff()); });
      window.each([&](int64_t pixel) {
        const float* p = from + pixel * s.channels + c;
        unroll<N>(HONE_EACH { v[i] = max(v[i], load(p + i * kLanes, m)); });
      });
      unroll<N>(HONE_EACH { store(y + out * s.y_row() + c + i * kLanes, v[i], m); });
    });
  });
}

/// Bytes as u8; i8 with its sign bit flipped on the way in and out.
template <bool Signed>
void max_bytes(const PoolShape& s, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  for_windows(s, begin, end, [&](int64_t image, const Window& window, int64_t out) {
    const uint8_t* from = x + image * s.height * s.width * s.channels;
    for (int64_t c = 0; c < s.channels; c += kByteLanes) {
      const int n = s.channels - c < kByteLanes ? static_cast<int>(s.channels - c) : kByteLanes;
      VB v = VB{};
      window.each([&](int64_t pixel) {
        const VB next = load_vb(from + pixel * s.channels + c, n);
        v = max_u8(v, Signed ? flip_sign(next) : next);
      });
      store_vb(y + out * s.y_row() + c, Signed ? flip_sign(v) : v, n);
    }
  });
}

void max_pool(const PoolShape& s, DType type, const void* x, void* y, int64_t begin, int64_t end) {
  if (type == DType::f32)
    max_f32(s, static_cast<const float*>(x), static_cast<float*>(y), begin, end);
  else if (type == DType::u8)
    max_bytes<false>(s, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y), begin, end);
  else
    max_bytes<true>(s, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y), begin, end);
}

Epilogue epilogue_of(const Target& target) {
  Epilogue e;
  e.out_type = target.type;
  e.out_inverse_scale = 1 / target.scale;
  e.out_zero = target.zero;
  return e;
}

/// Adds one pixel to the sums of N vectors of channels; 8-bit sums are exact integers.
template <int N, class M>
HONE_INLINE void accumulate(const Operand& x, int64_t at, VF (&sum)[N], VI (&count)[N], const M& m) {
  if (x.type == DType::f32) {
    unroll<N>(HONE_EACH { sum[i] = add(sum[i], load(static_cast<const float*>(x.data) + at + i * kLanes, m)); });
  } else {
    const auto* p = static_cast<const uint8_t*>(x.data) + at;
    if (x.type == DType::u8)
      unroll<N>(HONE_EACH { count[i] = add(count[i], widen_u8(load_bytes(p + i * kLanes, m))); });
    else
      unroll<N>(HONE_EACH { count[i] = add(count[i], widen_i8(load_bytes(p + i * kLanes, m))); });
  }
}

/// Sums of `pixels` pixels to y = sum / divisor, in real values, at y[at]; 0 where the divisor is 0. From 8 bits to 8
/// bits the factor is rounded as in ONNX Runtime's QLinearGlobalAveragePool.
template <int N, class M>
HONE_INLINE void put_mean(const Operand& x, const Target& target, const Post& post, VF (&sum)[N], const VI (&count)[N],
                          int64_t pixels, float divisor, void* y, int64_t at, const M& m) {
  ChannelPost cp = load_post(post, 0, m);
  float factor = 1;
  if (x.type != DType::f32) {
    const VI zero = set1i(static_cast<int>(pixels * x.zero));
    unroll<N>(HONE_EACH { sum[i] = to_float(sub(count[i], zero)); });
    factor = x.scale;
  }
  if (divisor == 0) cp.scale = zero_f();
  else if (x.type != DType::f32 && post.bytes) cp.scale = set1(factor / (target.scale * divisor));
  else cp.scale = mul(cp.scale, set1(factor / divisor));
  finish(post, cp, sum, y, at, kLanes, m);
}

void average(const PoolShape& s, const Operand& x, const Target& target, void* y, int64_t begin, int64_t end) {
  const Epilogue e = epilogue_of(target);
  const Post post = prepare(e);
  for_windows(s, begin, end, [&](int64_t image, const Window& window, int64_t out) {
    const int64_t from = image * s.height * s.width * s.channels;
    const int divisor = window.divisor();
    for_channels(0, s.channels, [&](auto n, int64_t c, const auto& m) {
      constexpr int N = decltype(n)::value;
      VF sum[N];
      VI count[N];
      unroll<N>(HONE_EACH { sum[i] = zero_f(), count[i] = set1i(0); });
      window.each([&](int64_t pixel) { accumulate(x, from + pixel * s.channels + c, sum, count, m); });
      put_mean(x, target, post, sum, count, window.inside(), static_cast<float>(divisor), y, out * s.y_row() + c, m);
    });
  });
}

void global_average(int64_t pixels, int64_t channels, const Operand& x, const Target& target, void* y, int64_t begin,
                    int64_t end) {
  const Epilogue e = epilogue_of(target);
  const Post post = prepare(e);
  const int64_t units = global_units(channels);
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t image = unit / units, c0 = unit % units * kGlobalUnit;
    const int64_t c1 = c0 + kGlobalUnit < channels ? c0 + kGlobalUnit : channels;
    for_channels(c0, c1, [&](auto n, int64_t c, const auto& m) {
      constexpr int N = decltype(n)::value;
      VF total[N];
      VI count[N];
      unroll<N>(HONE_EACH { total[i] = zero_f(), count[i] = set1i(0); });
      // Partial sums keep the rounding error of large images small.
      for (int64_t first = 0; first < pixels; first += 64) {
        const int64_t last = first + 64 < pixels ? first + 64 : pixels;
        VF sum[N];
        unroll<N>(HONE_EACH { sum[i] = zero_f(); });
        for (int64_t p = first; p < last; ++p) accumulate(x, (image * pixels + p) * channels + c, sum, count, m);
        unroll<N>(HONE_EACH { total[i] = add(total[i], sum[i]); });
      }
      put_mean(x, target, post, total, count, pixels, static_cast<float>(pixels), y, image * channels + c, m);
    });
  }
}

void softmax(const float* x, float* y, int64_t length, bool logarithm, int64_t row_begin, int64_t row_end) {
  for (int64_t r = row_begin; r < row_end; ++r) softmax_row(x + r * length, y + r * length, length, logarithm);
}

}  // namespace

extern const PoolKernels pool;
const PoolKernels pool{max_pool, average, global_average, softmax};

}  // namespace hone::kernels::HONE_ISA
