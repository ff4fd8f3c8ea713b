// Resampling: the rows of an output row are blended first, then its columns.
#include "kernels/resize.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

Epilogue epilogue_of(const Target& target) {
  Epilogue e;
  e.out_type = target.type;
  e.out_inverse_scale = 1 / target.scale;
  e.out_zero = target.zero;
  return e;
}

/// f(i, mask) over [0, count) a vector at a time.
template <class F>
HONE_INLINE void for_lanes(int64_t count, F f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, Full{});
  if (i < count) f(i, Part(static_cast<int>(count - i)));
}

template <class M>
HONE_INLINE VF real_value(const Operand& x, int64_t i, const M& m) {
  const VF v = load_as_float(x.data, x.type, i, m);
  return x.type == DType::f32 ? v : mul(sub(v, set1(static_cast<float>(x.zero))), set1(x.scale));
}

/// buffer = the blend of the input rows that output row `oy` of image `image` takes.
void blend_rows(const ResizeJob& job, int64_t image, int64_t oy, float* buffer) {
  const int64_t length = job.width * job.channels;
  const int32_t* index = job.rows.index + oy * job.rows.taps;
  const float* weight = job.rows.weight + oy * job.rows.taps;
  const int64_t first = image * job.height;
  if (job.rows.taps == 2) {
    const int64_t a = (first + index[0]) * length, b = (first + index[1]) * length;
    const VF wa = set1(weight[0]), wb = set1(weight[1]);
    for_lanes(length, [&](int64_t i, const auto& m) {
      store(buffer + i, fma(real_value(job.x, b + i, m), wb, mul(real_value(job.x, a + i, m), wa)), m);
    });
    return;
  }
  for_lanes(length, [&](int64_t i, const auto& m) {
    VF sum = zero_f();
    for (int t = 0; t < job.rows.taps; ++t)
      sum = fma(real_value(job.x, (first + index[t]) * length + i, m), set1(weight[t]), sum);
    store(buffer + i, sum, m);
  });
}

/// One channel: a vector of output columns at a time.
void blend_columns_1(const ResizeJob& job, const float* row, const Post& post, void* y, int64_t at) {
  const int64_t width = job.out_width;
  const ChannelPost cp = load_post(post, 0, Full{});
  for_lanes(width, [&](int64_t ox, const auto& m) {
    VF v[1] = {zero_f()};
    for (int t = 0; t < job.columns.taps; ++t) {
      const int32_t* index = job.columns.index + t * width + ox;
      v[0] = fma(gather(row, index, m), load(job.columns.weight + t * width + ox, m), v[0]);
    }
    finish<1>(post, cp, v, y, at + ox, kLanes, m);
  });
}

template <int Taps>
void blend_columns(const ResizeJob& job, const float* row, const Post& post, void* y, int64_t at) {
  const int64_t width = job.out_width, channels = job.channels;
  const int taps = Taps ? Taps : job.columns.taps;
  const ChannelPost cp = load_post(post, 0, Full{});
  for (int64_t ox = 0; ox < width; ++ox) {
    const int64_t out = at + ox * channels;
    const int32_t* index = job.columns.index + ox;
    const float* weight = job.columns.weight + ox;
    int64_t c = 0;
    for (; c + 4 * kLanes <= channels; c += 4 * kLanes) {
      VF v[4];
      unroll<4>(HONE_EACH { v[i] = zero_f(); });
      for (int t = 0; t < taps; ++t) {
        const float* from = row + index[t * width] * channels + c;
        const VF w = set1(weight[t * width]);
        unroll<4>(HONE_EACH { v[i] = fma(load(from + i * kLanes), w, v[i]); });
      }
      finish<4>(post, cp, v, y, out + c, kLanes, Full{});
    }
    for_lanes(channels - c, [&](int64_t i, const auto& m) {
      VF v[1] = {zero_f()};
      for (int t = 0; t < taps; ++t)
        v[0] = fma(load(row + index[t * width] * channels + c + i, m), set1(weight[t * width]), v[0]);
      finish<1>(post, cp, v, y, out + c + i, kLanes, m);
    });
  }
}

/// Input row `row`, counted over all images, at the output's width; `values`: room for its numbers.
void stretch_row(const ResizeJob& job, int64_t row, float* values, float* wide) {
  for_lanes(job.width,
            [&](int64_t i, const auto& m) { store(values + i, real_value(job.x, row * job.width + i, m), m); });
  for_lanes(job.out_width, [&](int64_t ox, const auto& m) {
    VF sum = zero_f();
    for (int t = 0; t < job.columns.taps; ++t) {
      const int64_t at = t * job.out_width + ox;
      sum = fma(gather(values, job.columns.index + at, m), load(job.columns.weight + at, m), sum);
    }
    store(wide + ox, sum, m);
  });
}

void smooth_stretched(const ResizeJob& job, const Post& post, void* y, float* scratch, int64_t begin, int64_t end) {
  const ChannelPost cp = load_post(post, 0, Full{});
  float* wide[2] = {scratch + job.width + 16, scratch + job.width + job.out_width + 32};
  int64_t held[2] = {-1, -1};
  for (int64_t r = begin; r < end; ++r) {
    const int32_t* index = job.rows.index + r % job.out_height * 2;
    const float* weight = job.rows.weight + r % job.out_height * 2;
    const int64_t first = r / job.out_height * job.height;
    const float* from[2];
    for (int t = 0; t < 2; ++t) {
      const int64_t wanted = first + index[t], other = first + index[1 - t];
      int slot = held[0] == wanted ? 0 : held[1] == wanted ? 1 : held[0] == other ? 1 : 0;
      if (held[slot] != wanted) stretch_row(job, wanted, scratch, wide[slot]), held[slot] = wanted;
      from[t] = wide[slot];
    }
    const VF wa = set1(weight[0]), wb = set1(weight[1]);
    const int64_t at = r * job.out_width;
    for_lanes(job.out_width, [&](int64_t i, const auto& m) {
      VF v[1] = {fma(load(from[1] + i, m), wb, mul(load(from[0] + i, m), wa))};
      finish<1>(post, cp, v, y, at + i, kLanes, m);
    });
  }
}

void smooth(const ResizeJob& job, void* y, float* scratch, int64_t begin, int64_t end) {
  const Epilogue e = epilogue_of(job.target);
  const Post post = prepare(e);
  if (stretches_rows(job)) return smooth_stretched(job, post, y, scratch, begin, end);
  for (int64_t r = begin; r < end; ++r) {
    blend_rows(job, r / job.out_height, r % job.out_height, scratch);
    const int64_t at = r * job.out_width * job.channels;
    if (job.channels == 1)
      blend_columns_1(job, scratch, post, y, at);
    else if (job.columns.taps == 2)
      blend_columns<2>(job, scratch, post, y, at);
    else
      blend_columns<0>(job, scratch, post, y, at);
  }
}

template <class T>
HONE_INLINE void pick_columns(const ResizeJob& job, const T* x, T* y) {
  for (int64_t ox = 0; ox < job.out_width; ++ox) y[ox] = x[job.columns.index[ox]];
}

void nearest(const ResizeJob& job, int element_bytes, void* y, int64_t begin, int64_t end) {
  const int64_t pixel = job.channels * element_bytes, out_row = job.out_width * pixel;
  for (int64_t r = begin; r < end; ++r) {
    const int64_t oy = r % job.out_height;
    char* to = static_cast<char*>(y) + r * out_row;
    if (r > begin && oy > 0 && job.rows.index[oy] == job.rows.index[oy - 1]) {
      __builtin_memcpy(to, to - out_row, static_cast<size_t>(out_row));
      continue;
    }
    const char* from = static_cast<const char*>(job.x.data) +
                       (r / job.out_height * job.height + job.rows.index[oy]) * job.width * pixel;
    switch (pixel) {
      case 1: pick_columns(job, reinterpret_cast<const uint8_t*>(from), reinterpret_cast<uint8_t*>(to)); break;
      case 2: pick_columns(job, reinterpret_cast<const uint16_t*>(from), reinterpret_cast<uint16_t*>(to)); break;
      case 4: pick_columns(job, reinterpret_cast<const uint32_t*>(from), reinterpret_cast<uint32_t*>(to)); break;
      case 8: pick_columns(job, reinterpret_cast<const uint64_t*>(from), reinterpret_cast<uint64_t*>(to)); break;
      default:
        for (int64_t ox = 0; ox < job.out_width; ++ox)
          __builtin_memcpy(to + ox * pixel, from + job.columns.index[ox] * pixel, static_cast<size_t>(pixel));
    }
  }
}

}  // namespace

extern const ResizeKernels resize;
const ResizeKernels resize{smooth, nearest};

}  // namespace hone::kernels::HONE_ISA
