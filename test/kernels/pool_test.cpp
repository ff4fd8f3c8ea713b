#include "kernels/pool.hpp"

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

struct Case {
  PoolShape s;
  int64_t batch;
  int64_t outputs() const { return batch * s.out_height * s.out_width * s.channels; }
};

Case random_case(Random& random) {
  Case c;
  PoolShape& s = c.s;
  c.batch = random.range(1, 2);
  s.channels = random.pick({1, 3, 16, 17, 32, 65, 72, 96, 200});
  s.height = random.range(1, 14), s.width = random.range(1, 14);
  s.kernel_h = random.range(1, 4), s.kernel_w = random.range(1, 4);
  s.stride_h = random.range(1, 3), s.stride_w = random.range(1, 3);
  s.dilation_h = random.range(1, 2), s.dilation_w = random.range(1, 2);
  s.pad_top = random.range(0, s.kernel_h - 1), s.pad_left = random.range(0, s.kernel_w - 1);
  s.pad_bottom = random.range(0, s.kernel_h - 1), s.pad_right = random.range(0, s.kernel_w - 1);
  const int span_h = (s.kernel_h - 1) * s.dilation_h + 1, span_w = (s.kernel_w - 1) * s.dilation_w + 1;
  s.height = std::max<int64_t>(s.height, span_h), s.width = std::max<int64_t>(s.width, span_w);
  const int ceil_h = random.range(0, s.stride_h - 1), ceil_w = random.range(0, s.stride_w - 1);
  s.out_height = (s.height + s.pad_top + s.pad_bottom - span_h + ceil_h) / s.stride_h + 1;
  s.out_width = (s.width + s.pad_left + s.pad_right - span_w + ceil_w) / s.stride_w + 1;
  s.count_include_pad = random.range(0, 1);
  return c;
}

/// f(output element, input elements inside the window, taps inside the padded input).
template <class F>
void naive(const Case& c, F f) {
  const PoolShape& s = c.s;
  int64_t at = 0;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t oh = 0; oh < s.out_height; ++oh)
      for (int64_t ow = 0; ow < s.out_width; ++ow)
        for (int64_t ch = 0; ch < s.channels; ++ch, ++at) {
          std::vector<int64_t> inside;
          int counted = 0;
          for (int kh = 0; kh < s.kernel_h; ++kh)
            for (int kw = 0; kw < s.kernel_w; ++kw) {
              const int64_t ih = oh * s.stride_h - s.pad_top + kh * s.dilation_h;
              const int64_t iw = ow * s.stride_w - s.pad_left + kw * s.dilation_w;
              counted += ih < s.height + s.pad_bottom && iw < s.width + s.pad_right;
              if (ih >= 0 && ih < s.height && iw >= 0 && iw < s.width)
                inside.push_back(((n * s.height + ih) * s.width + iw) * s.channels + ch);
            }
          f(at, inside, counted);
        }
}

struct Data {
  DType type;
  std::vector<float> floats;
  std::vector<uint8_t> bytes;
  Operand operand;
  Data(Random& random, int64_t count) : type(random.pick({DType::f32, DType::u8, DType::i8})) {
    if (type == DType::f32)
      floats = random.floats(count);
    else
      bytes = random.bytes(count);
    operand = {type == DType::f32 ? static_cast<const void*>(floats.data()) : bytes.data(), type};
    if (type != DType::f32) operand.scale = 0.03f, operand.zero = random.range(-100, 100);
  }
  double raw(int64_t i) const { return element(operand.data, type, i); }
  double real(int64_t i) const { return type == DType::f32 ? raw(i) : (raw(i) - operand.zero) * operand.scale; }
};

Target random_target(Random& random) {
  Target t{random.pick({DType::f32, DType::u8, DType::i8})};
  if (t.type != DType::f32) t.scale = random.real(1.0f / 60, 0.05f), t.zero = random.range(0, 100);
  return t;
}

TEST(Pool, MaxMatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 150; ++round) {
    const Case c = random_case(random);
    const Data x(random, c.batch * c.s.height * c.s.width * c.s.channels);
    const double lowest = x.type == DType::f32  ? -std::numeric_limits<double>::infinity()
                          : x.type == DType::u8 ? 0
                                                : -128;
    const size_t size = x.type == DType::f32 ? 4 : 1;
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      std::vector<uint8_t> y(c.outputs() * size + 64, 0x77);
      const int64_t rows = c.batch * c.s.out_height, cut = random.range(0, static_cast<int>(rows));
      pool_kernels(isa).max(c.s, x.type, x.operand.data, y.data(), cut, rows);
      pool_kernels(isa).max(c.s, x.type, x.operand.data, y.data(), 0, cut);
      naive(c, [&](int64_t at, const std::vector<int64_t>& inside, int) {
        double wanted = lowest;
        for (int64_t i : inside) wanted = std::max(wanted, x.raw(i));
        EXPECT_EQ(element(y.data(), x.type, at), wanted) << at;
      });
      for (size_t i = 0; i < 64; ++i) ASSERT_EQ(y[c.outputs() * size + i], 0x77);
      if (HasFailure()) return;
    }
  }
}

TEST(Pool, AverageMatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 150; ++round) {
    const Case c = random_case(random);
    const Data x(random, c.batch * c.s.height * c.s.width * c.s.channels);
    const Target target = random_target(random);
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      std::vector<float> y(c.outputs());
      pool_kernels(isa).average(c.s, x.operand, target, y.data(), 0, c.batch * c.s.out_height);
      naive(c, [&](int64_t at, const std::vector<int64_t>& inside, int counted) {
        double sum = 0;
        for (int64_t i : inside) sum += x.real(i);
        const double divisor = c.s.count_include_pad ? counted : static_cast<double>(inside.size());
        const double wanted = divisor > 0 ? sum / divisor : 0;
        EXPECT_TRUE(
            close_to(target.type, element(y.data(), target.type, at), wanted, 1 / target.scale, target.zero, 1e-6))
            << at << " wanted " << wanted;
      });
      if (HasFailure()) return;
    }
  }
}

TEST(Pool, GlobalAverageMatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 60; ++round) {
    const int64_t batch = random.range(1, 3), pixels = random.range(1, 300),
                  channels = random.pick({1, 3, 64, 65, 72, 200});
    const Data x(random, batch * pixels * channels);
    const Target target = random_target(random);
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      std::vector<float> y(batch * channels);
      const int64_t units = batch * global_units(channels), cut = random.range(0, static_cast<int>(units));
      pool_kernels(isa).global_average(pixels, channels, x.operand, target, y.data(), cut, units);
      pool_kernels(isa).global_average(pixels, channels, x.operand, target, y.data(), 0, cut);
      for (int64_t i = 0; i < batch * channels; ++i) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; ++p) sum += x.real((i / channels * pixels + p) * channels + i % channels);
        ASSERT_TRUE(close_to(target.type, element(y.data(), target.type, i), sum / static_cast<double>(pixels),
                             1 / target.scale, target.zero, 1e-6));
      }
    }
  }
}

TEST(Pool, SoftmaxMatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 60; ++round) {
    const int64_t rows = random.range(1, 4), length = random.pick({1, 2, 7, 16, 100, 1000});
    const auto x = random.floats(rows * length, -20, 20);
    for (Isa isa : isas())
      for (bool logarithm : {false, true}) {
        std::vector<float> y = x;
        pool_kernels(isa).softmax(y.data(), y.data(), length, logarithm, 0, rows);
        for (int64_t r = 0; r < rows; ++r) {
          double sum = 0, top = *std::max_element(x.begin() + r * length, x.begin() + (r + 1) * length);
          for (int64_t i = 0; i < length; ++i) sum += std::exp(x[r * length + i] - top);
          for (int64_t i = 0; i < length; ++i) {
            const double log = x[r * length + i] - top - std::log(sum);
            if (logarithm)
              ASSERT_NEAR(y[r * length + i], log, 1e-5) << name_of(isa);
            else
              ASSERT_NEAR(y[r * length + i], std::exp(log), (1e-6 + 1e-7 * std::abs(log)) * std::exp(log))
                  << name_of(isa);
          }
        }
      }
  }
}

TEST(Pool, SoftmaxOfMaskedEntriesIsZero) {
  for (Isa isa : isas()) {
    std::vector<float> x(19, -std::numeric_limits<float>::infinity());
    x[3] = x[18] = 1;
    pool_kernels(isa).softmax(x.data(), x.data(), 19, false, 0, 1);
    for (int i = 0; i < 19; ++i) EXPECT_EQ(x[i], i == 3 || i == 18 ? 0.5f : 0.0f) << name_of(isa);
  }
}

}  // namespace
}  // namespace hone::kernels
