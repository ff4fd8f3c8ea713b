#include "kernels/depthwise.hpp"

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

struct Case {
  DepthwiseShape s;
  int64_t batch = 1;
  size_t inputs() const { return static_cast<size_t>(batch * s.height * s.width * s.channels); }
  size_t outputs() const { return static_cast<size_t>(batch * s.out_height * s.out_width * s.channels); }
  size_t weights() const { return static_cast<size_t>(s.channels * s.kernel_h * s.kernel_w); }
  int64_t rows() const { return batch * s.out_height; }
};

Case random_case(Random& random) {
  Case c;
  DepthwiseShape& s = c.s;
  c.batch = random.range(1, 2);
  s.channels = random.pick({1, 3, 8, 16, 17, 32, 35, 72, 96});
  const bool common = random.range(0, 2);
  if (common) {
    s.kernel_h = s.kernel_w = random.pick({3, 5, 7});
    s.stride_h = s.stride_w = random.range(1, 2);
  } else {
    s.kernel_h = random.range(1, 7), s.kernel_w = random.range(1, 7);
    s.stride_h = random.range(1, 3), s.stride_w = random.range(1, 3);
    s.dilation_h = random.range(1, 3), s.dilation_w = random.range(1, 3);
  }
  s.pad_top = random.range(0, s.kernel_h), s.pad_left = random.range(0, s.kernel_w);
  const int span_h = (s.kernel_h - 1) * s.dilation_h + 1, span_w = (s.kernel_w - 1) * s.dilation_w + 1;
  s.height = random.range(1, 20), s.width = random.range(1, 24);
  const int64_t below = random.range(0, 2), right = random.range(0, 2);
  s.height = std::max<int64_t>(s.height, span_h - s.pad_top - below);
  s.width = std::max<int64_t>(s.width, span_w - s.pad_left - right);
  s.out_height = (s.height + s.pad_top + below - span_h) / s.stride_h + 1;
  s.out_width = (s.width + s.pad_left + right - span_w) / s.stride_w + 1;
  return c;
}

std::string describe(const Case& c) {
  const DepthwiseShape& s = c.s;
  auto text = [](auto... v) { return ((std::to_string(v) + " ") + ...); };
  return text(c.batch, s.height, s.width, s.channels) + "k " + text(s.kernel_h, s.kernel_w) + "s " +
         text(s.stride_h, s.stride_w) + "d " + text(s.dilation_h, s.dilation_w) + "p " + text(s.pad_top, s.pad_left) +
         "out " + text(s.out_height, s.out_width);
}

/// The exact accumulators in f64; x and w by element.
template <class X, class W>
std::vector<double> reference(const Case& c, X x, W w) {
  const DepthwiseShape& s = c.s;
  std::vector<double> acc(c.outputs());
  size_t at = 0;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t oh = 0; oh < s.out_height; ++oh)
      for (int64_t ow = 0; ow < s.out_width; ++ow)
        for (int64_t ch = 0; ch < s.channels; ++ch, ++at)
          for (int kh = 0; kh < s.kernel_h; ++kh)
            for (int kw = 0; kw < s.kernel_w; ++kw) {
              const int64_t ih = oh * s.stride_h - s.pad_top + kh * s.dilation_h;
              const int64_t iw = ow * s.stride_w - s.pad_left + kw * s.dilation_w;
              if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
              acc[at] += x(((n * s.height + ih) * s.width + iw) * s.channels + ch) *
                         w((ch * s.kernel_h + kh) * s.kernel_w + kw);
            }
  return acc;
}

/// Runs rows in random disjoint ranges and checks every output against the epilogue of the exact accumulators.
template <class Run>
void check(const Case& c, Random& random, const Epilogue& e, const std::vector<double>& acc, double tolerance,
           Run run) {
  const size_t size = e.out_type == DType::f32 ? 4 : 1;
  std::vector<uint8_t> y(acc.size() * size + 64, 0x5a);
  for (int64_t row = 0; row < c.rows();) {
    const int64_t end = std::min<int64_t>(c.rows(), row + random.range(1, 5));
    run(y.data(), row, end);
    row = end;
  }
  for (size_t i = 0; i < acc.size(); ++i) {
    const double v = epilogue_reference(e, acc[i], i % c.s.channels, i);
    const double out = element(y.data(), e.out_type, i);
    ASSERT_TRUE(close_to(e.out_type, out, v, e.out_inverse_scale, e.out_zero, tolerance))
        << "element " << i << " is " << out << ", wanted " << v << " x " << e.out_inverse_scale << " + " << e.out_zero;
  }
  for (size_t i = 0; i < 64; ++i) ASSERT_EQ(y[acc.size() * size + i], 0x5a) << "written past the end";
}

TEST(Depthwise, F32MatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 150; ++round) {
    const Case c = random_case(random);
    const auto x = random.floats(c.inputs()), w = random.floats(c.weights());
    std::vector<float> packed(w.size());
    depthwise_pack_f32(c.s, w.data(), packed.data());
    const RandomEpilogue e(random, c.s.channels, c.outputs(), 4);
    const auto acc = reference(c, [&](size_t i) { return double(x[i]); }, [&](size_t i) { return double(w[i]); });
    for (Isa isa : isas()) {
      SCOPED_TRACE(describe(c) + name_of(isa));
      check(c, random, e.e, acc, 2e-5, [&](void* y, int64_t begin, int64_t end) {
        depthwise_f32_kernels(isa).run(c.s, x.data(), packed.data(), e.e, y, begin, end);
      });
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Depthwise, Int8MatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 200; ++round) {
    const Case c = random_case(random);
    const auto x = random.bytes(c.inputs()), w = random.bytes(c.weights());
    const DType type = random.pick({DType::u8, DType::i8});
    const int zero = type == DType::u8 ? random.range(0, 255) : random.range(-128, 127);
    RandomEpilogue e(random, c.s.channels, c.outputs(), 3e4f);
    e.add_start(random, c.s.channels, 3e4f);
    const auto acc = reference(c, [&](size_t i) { return double(byte_value(type, x[i]) - zero); },
                               [&](size_t i) { return double(static_cast<int8_t>(w[i])); });
    for (Isa isa : isas()) {
      SCOPED_TRACE(describe(c) + name_of(isa));
      const DepthwiseInt8Kernels& kernels = depthwise_int8_kernels(isa);
      std::vector<uint8_t> packed(kernels.packed_bytes(c.s));
      kernels.pack(c.s, reinterpret_cast<const int8_t*>(w.data()), type, zero, e.e.start, packed.data());
      check(c, random, e.e, acc, 1e-5, [&](void* y, int64_t begin, int64_t end) {
        kernels.run(c.s, x.data(), type, zero, packed.data(), e.e, y, begin, end);
      });
      // No epilogue: the f32 output is the accumulator itself, to the last bit.
      Epilogue exact;
      exact.start = e.e.start;
      check(c, random, exact, acc, 0, [&](void* y, int64_t begin, int64_t end) {
        kernels.run(c.s, x.data(), type, zero, packed.data(), exact, y, begin, end);
      });
      if (HasFatalFailure()) return;
    }
  }
}

// All products at their extremes: 16-bit sums would saturate.
TEST(Depthwise, Int8DoesNotSaturate) {
  Case c;
  c.s = {9, 9, 40, 9, 9, 5, 5, 1, 1, 1, 1, 2, 2};
  const std::vector<uint8_t> x(c.inputs(), 255);
  for (int8_t value : {int8_t(127), int8_t(-128)}) {
    const std::vector<int8_t> w(c.weights(), value);
    const auto acc = reference(c, [](size_t) { return 255.0; }, [&](size_t) { return double(value); });
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      const DepthwiseInt8Kernels& kernels = depthwise_int8_kernels(isa);
      std::vector<uint8_t> packed(kernels.packed_bytes(c.s));
      kernels.pack(c.s, w.data(), DType::u8, 0, nullptr, packed.data());
      std::vector<float> y(c.outputs());
      kernels.run(c.s, x.data(), DType::u8, 0, packed.data(), Epilogue{}, y.data(), 0, c.rows());
      for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], acc[i]);
    }
  }
}

// Accumulators beyond the range of a 32-bit conversion saturate to the right side.
TEST(Depthwise, QuantizedOutputSaturates) {
  const DepthwiseShape s{1, 1, 20, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1};
  std::vector<float> x(20), w(20 * 9, 1e30f), packed(w.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = i % 2 ? 1e6f : -1e6f;
  depthwise_pack_f32(s, w.data(), packed.data());
  Epilogue e;
  e.out_type = DType::i8;
  e.out_zero = 3;
  for (Isa isa : isas()) {
    std::vector<int8_t> y(20);
    depthwise_f32_kernels(isa).run(s, x.data(), packed.data(), e, y.data(), 0, 1);
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], i % 2 ? 127 : -128) << name_of(isa);
  }
}

}  // namespace
}  // namespace hone::kernels
