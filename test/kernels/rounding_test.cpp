// The arithmetic of 8-bit layers to the last bit, written out as ONNX Runtime computes it. Factors are such that many
// results lie near the middle between two steps, where any other order of operations rounds some of them differently.
#include <memory>

#include "kernels/common.hpp"
#include "kernels/conv.hpp"
#include "kernels/depthwise.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/pool.hpp"

namespace hone::kernels {
namespace {

/// Sums and products of the formulas are fused where this is so; without such instructions they cannot be.
bool has_fma(Isa isa) { return isa != Isa::generic; }

uint8_t saturated(DType type, float rounded) {
  const float lo = type == DType::u8 ? 0 : -128, hi = type == DType::u8 ? 255 : 127;
  return static_cast<uint8_t>(static_cast<int>(std::min(std::max(rounded, lo), hi)));
}
uint8_t quantized(DType type, float v, int zero) {
  return saturated(type, std::nearbyint(v) + static_cast<float>(zero));
}
int random_zero(Random& random, DType type) {
  return type == DType::u8 ? random.pick({0, 128, 77}) : random.pick({0, -128, 5});
}
float near_ties(Random& random) { return static_cast<float>(random.range(1, 30)) * random.pick({0.1f, 0.05f, 0.03f}); }

/// Two stored 8-bit operands with their real values' scales.
struct Sum {
  float a_scale, b_scale, y_scale;
  int a_zero, b_zero, y_zero;
  float operator()(float a, float b) const {
    const float p = a_scale / y_scale, q = b_scale / y_scale;
    const float zeros = std::fma(p, static_cast<float>(a_zero), q * static_cast<float>(b_zero));
    return std::nearbyint(std::fma(a, p, std::fma(b, q, static_cast<float>(y_zero) - zeros)));
  }
};

/// One 8-bit layer of random sums with everything that follows them.
struct Layer {
  ConvShape s;
  DType type = DType::u8;  ///< of all activations
  int x_zero = 0;
  std::vector<uint8_t> x, w, residual;
  std::vector<int32_t> start;
  std::vector<float> scale;
  Epilogue e;

  Layer(Random& random, bool depthwise) {
    s.height = s.width = s.out_height = s.out_width = random.range(3, 9);
    s.channels = s.out_channels = random.pick({16, 24, 40, 72});
    s.groups = depthwise ? static_cast<int>(s.channels) : 1;
    s.kernel_h = s.kernel_w = 3, s.pad_top = s.pad_left = 1;
    type = random.pick({DType::u8, DType::i8});
    x_zero = random_zero(random, type);
    x = random.bytes(static_cast<size_t>(s.height * s.width * s.channels));
    w.resize(static_cast<size_t>(s.out_channels * s.group_channels() * 9));
    for (auto& v : w) v = static_cast<uint8_t>(random.range(-3, 3));
    start.resize(static_cast<size_t>(s.out_channels) + 16);
    for (auto& v : start) v = random.range(-900, 900);
    for (int64_t c = 0; c < s.out_channels; ++c) scale.push_back(near_ties(random) / (depthwise ? 30.0f : 200.0f));
    e.start = start.data(), e.scale = scale.data();
    e.out_type = type, e.out_zero = random_zero(random, type);
    if (random.range(0, 1)) e.act = {Act::relu};
  }

  void add_residual(Random& random) {
    residual = random.bytes(static_cast<size_t>(s.pixels() * s.out_channels));
    e.residual = residual.data(), e.residual_type = type;
    e.residual_zero = random_zero(random, type), e.residual_scale = near_ties(random);
    e.residual_first = random.range(0, 1);
    e.grid_zero = random_zero(random, type), e.grid_scale = near_ties(random);
    e.grid_low = static_cast<float>((type == DType::u8 ? 0 : -128) - e.grid_zero), e.grid_high = e.grid_low + 255;
    if (random.range(0, 1)) e.act2 = {Act::relu};
  }

  int sum(int64_t oh, int64_t ow, int64_t k) const {
    int sum = start[static_cast<size_t>(k)];
    const int64_t depth = s.group_channels(), first = k / s.group_out_channels() * depth;
    for (int64_t tap = 0; tap < 9; ++tap) {
      const int64_t ih = oh - 1 + tap / 3, iw = ow - 1 + tap % 3;
      if (ih < 0 || iw < 0 || ih >= s.height || iw >= s.width) continue;
      for (int64_t c = 0; c < depth; ++c)
        sum += (byte_value(type, x[static_cast<size_t>((ih * s.width + iw) * s.channels + first + c)]) - x_zero) *
               static_cast<int8_t>(w[static_cast<size_t>((k * depth + c) * 9 + tap)]);
    }
    return sum;
  }

  uint8_t expected(int64_t pixel, int64_t k) const {
    float v = static_cast<float>(sum(pixel / s.out_width, pixel % s.out_width, k)) * scale[static_cast<size_t>(k)];
    if (e.act.kind == Act::relu) v = std::max(v, 0.0f);
    if (!e.residual) return quantized(type, v, e.out_zero);
    const float grid = std::min(std::max(std::nearbyint(v), e.grid_low), e.grid_high) + static_cast<float>(e.grid_zero);
    const auto other =
        static_cast<float>(byte_value(type, residual[static_cast<size_t>(pixel * s.out_channels + k)]));
    const float y = e.residual_first
                        ? Sum{e.residual_scale, e.grid_scale, 1, e.residual_zero, e.grid_zero, e.out_zero}(other, grid)
                        : Sum{e.grid_scale, e.residual_scale, 1, e.grid_zero, e.residual_zero, e.out_zero}(grid, other);
    return saturated(type, e.act2.kind == Act::relu ? std::max(y, static_cast<float>(e.out_zero)) : y);
  }

  void expect(const std::vector<uint8_t>& y) const {
    for (int64_t i = 0; i < s.pixels() * s.out_channels; ++i)
      ASSERT_EQ(y[static_cast<size_t>(i)], expected(i / s.out_channels, i % s.out_channels))
          << "element " << i << (e.residual ? " of a sum" : "");
  }
  std::vector<uint8_t> output() const { return std::vector<uint8_t>(static_cast<size_t>(s.pixels() * s.out_channels)); }
};

std::shared_ptr<void> aligned(size_t bytes) { return {std::aligned_alloc(64, (bytes + 127) / 64 * 64), std::free}; }

void expect_conv(const Layer& layer, const ConvInt8Kernels& kernels) {
  const int64_t blocks = kernels.blocks(layer.s);
  auto packed = aligned(kernels.packed_bytes(layer.s));
  kernels.pack(layer.s, reinterpret_cast<const int8_t*>(layer.w.data()), layer.type, layer.x_zero, layer.e.start,
               packed.get(), 0, blocks);
  auto y = layer.output();
  kernels.run(layer.s, layer.x.data(), layer.type, packed.get(), layer.e, y.data(), {0, layer.s.pixels(), 0, blocks});
  layer.expect(y);
}

void expect_depthwise(const Layer& layer, const DepthwiseInt8Kernels& kernels) {
  DepthwiseShape s;
  s.channels = layer.s.channels;
  s.height = s.out_height = layer.s.height, s.width = s.out_width = layer.s.width;
  s.kernel_h = s.kernel_w = 3, s.pad_top = s.pad_left = 1;
  std::vector<uint8_t> packed(kernels.packed_bytes(s));
  kernels.pack(s, reinterpret_cast<const int8_t*>(layer.w.data()), layer.type, layer.x_zero, layer.e.start,
               packed.data());
  auto y = layer.output();
  kernels.run(s, layer.x.data(), layer.type, layer.x_zero, packed.data(), layer.e, y.data(), 0, s.out_height);
  layer.expect(y);
}

TEST(Rounding, OfConvolutionsIsThatOfOneFactorBehindAnIntegerBias) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 40; ++round) {
    const Layer dense(random, false), depthwise(random, true);
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      if (const auto* kernels = conv_int8_kernels(isa)) {
        ASSERT_NO_FATAL_FAILURE(expect_conv(dense, *kernels));
      }
      ASSERT_NO_FATAL_FAILURE(expect_depthwise(depthwise, depthwise_int8_kernels(isa)));
    }
  }
}

TEST(Rounding, OfConvolutionsPlusResidualsIsThatOfARoundedSum) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 60; ++round) {
    Layer dense(random, false), depthwise(random, true);
    dense.add_residual(random), depthwise.add_residual(random);
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      if (!has_fma(isa)) continue;
      ASSERT_NO_FATAL_FAILURE(expect_conv(dense, *conv_int8_kernels(isa)));
      ASSERT_NO_FATAL_FAILURE(expect_depthwise(depthwise, depthwise_int8_kernels(isa)));
    }
  }
}

/// All pairs of stored numbers.
struct Pairs {
  std::vector<uint8_t> a, b;
  Pairs() {
    for (int i = 0; i < 256 * 256; ++i)
      a.push_back(static_cast<uint8_t>(i / 256)), b.push_back(static_cast<uint8_t>(i));
  }
};

TEST(Rounding, OfSumsAndProductsOfBytesIsThatOfQLinearAddAndQLinearMul) {
  Random random;
  SCOPED_TRACE(random.trace());
  const Pairs pairs;
  for (int round = 0; round < 12; ++round) {
    const DType type = random.pick({DType::u8, DType::i8});
    BinaryJob job;
    job.op = random.pick({Binary::add, Binary::mul});
    job.swapped = random.range(0, 1);
    job.a = {pairs.a.data(), type, near_ties(random), random_zero(random, type)};
    job.b = {pairs.b.data(), type, near_ties(random), random_zero(random, type)};
    job.target = {type, near_ties(random), random_zero(random, type)};
    if (random.range(0, 1)) job.act = {Act::relu};
    job.channels = 256;
    const Operand &first = job.swapped ? job.b : job.a, &second = job.swapped ? job.a : job.b;
    const Sum sum{first.scale, second.scale, job.target.scale, first.zero, second.zero, job.target.zero};
    const float factor = job.a.scale * job.b.scale / job.target.scale, zero = static_cast<float>(job.target.zero);
    for (Isa isa : isas()) {
      if (!has_fma(isa)) continue;
      std::vector<uint8_t> y(pairs.a.size());
      elementwise_kernels(isa).binary(job, y.data(), 0, 256);
      for (size_t i = 0; i < y.size(); ++i) {
        const auto p = static_cast<float>(byte_value(type, pairs.a[i]));
        const auto q = static_cast<float>(byte_value(type, pairs.b[i]));
        const float product = (p - static_cast<float>(job.a.zero)) * (q - static_cast<float>(job.b.zero));
        float v = job.op == Binary::mul ? std::nearbyint(std::fma(product, factor, zero))
                                        : sum(job.swapped ? q : p, job.swapped ? p : q);
        if (job.act.kind == Act::relu) v = std::max(v, zero);
        ASSERT_EQ(y[i], saturated(type, v)) << name_of(isa) << (job.op == Binary::mul ? " product " : " sum ") << i;
      }
    }
  }
}

TEST(Rounding, OfQuantizationIsThatOfADivision) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 40; ++round) {
    const DType type = random.pick({DType::u8, DType::i8});
    ConvertJob job;
    job.target = {type, random.real(0.001f, 0.2f), random_zero(random, type)};
    std::vector<float> x;
    for (int i = -260; i < 260; ++i) {  // on both sides of each middle, and on it
      float v = (static_cast<float>(i) + 0.5f) * job.target.scale;
      for (int step = 0; step < 3; ++step) v = std::nextafter(v, -1e9f);
      for (int step = 0; step < 6; ++step) x.push_back(v = std::nextafter(v, 1e9f));
    }
    const float inf = std::numeric_limits<float>::infinity();
    x.insert(x.end(), {1e-30f, 1e30f, -1e30f, inf, -inf});
    job.x = {x.data(), DType::f32};
    for (Isa isa : isas()) {
      std::vector<uint8_t> y(x.size());
      elementwise_kernels(isa).convert(job, y.data(), 0, static_cast<int64_t>(x.size()));
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_EQ(y[i], quantized(type, x[i] / job.target.scale, job.target.zero)) << name_of(isa) << " " << x[i];
    }
  }
}

TEST(Rounding, OfCopiesIsThatOfADivision) {
  Random random;
  SCOPED_TRACE(random.trace());
  const Pairs pairs;
  for (int round = 0; round < 60; ++round) {
    const DType type = random.pick({DType::u8, DType::i8});
    const Operand x{pairs.b.data(), type, near_ties(random), random_zero(random, type)};
    const Target target{type, near_ties(random), random_zero(random, type)};
    const int64_t rows = random.pick({1, 5, 40});  // few and many numbers
    for (Isa isa : isas()) {
      std::vector<uint8_t> y(static_cast<size_t>(rows) * 256);
      elementwise_kernels(isa).copy({x, target, 256, 256, 256}, y.data(), 0, rows);
      for (size_t i = 0; i < y.size(); ++i) {
        const float v = static_cast<float>(byte_value(type, pairs.b[i]) - x.zero) * x.scale;
        ASSERT_EQ(y[i], quantized(type, v / target.scale, target.zero)) << name_of(isa) << " " << i;
      }
    }
  }
}

TEST(Rounding, OfGlobalMeansIsThatOfOneFactor) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 60; ++round) {
    const DType type = random.pick({DType::u8, DType::i8});
    const int64_t pixels = random.pick({4, 20, 49, 100}), channels = 200;
    const auto x = random.bytes(static_cast<size_t>(pixels * channels));
    const Operand operand{x.data(), type, near_ties(random), type == DType::u8 ? 128 : 0};  // means around 0
    const Target target{type, near_ties(random), random_zero(random, type)};
    const float factor = operand.scale / (target.scale * static_cast<float>(pixels));
    for (Isa isa : isas()) {
      std::vector<uint8_t> y(static_cast<size_t>(channels));
      pool_kernels(isa).global_average(pixels, channels, operand, target, y.data(), 0, global_units(channels));
      for (size_t c = 0; c < y.size(); ++c) {
        int sum = 0;
        for (size_t i = c; i < x.size(); i += y.size()) sum += byte_value(type, x[i]) - operand.zero;
        ASSERT_EQ(y[c], quantized(type, static_cast<float>(sum) * factor, target.zero)) << name_of(isa) << " " << c;
      }
    }
  }
}

}  // namespace
}  // namespace hone::kernels
