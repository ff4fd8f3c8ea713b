#include "kernels/elementwise.hpp"

#include <array>

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

/// An operand of random type with its data.
struct RandomOperand {
  Operand operand;
  std::vector<uint8_t> data;

  RandomOperand(Random& random, size_t count, float lo = -2, float hi = 2) {
    operand.type = random.pick({DType::f32, DType::u8, DType::i8});
    if (operand.type == DType::f32) {
      const auto values = random.floats(count, lo, hi);
      data.resize(count * 4);
      std::copy_n(reinterpret_cast<const uint8_t*>(values.data()), data.size(), data.begin());
    } else {
      data = random.bytes(count);
      operand.scale = random.real(0.01f, 0.1f);
      operand.zero = operand.type == DType::u8 ? random.range(0, 255) : random.range(-128, 127);
    }
    operand.data = data.data();
  }
  double real(size_t i) const {
    const double v = element(operand.data, operand.type, i);
    return operand.type == DType::f32 ? v : (v - operand.zero) * operand.scale;
  }
};

Target random_target(Random& random) {
  Target t{random.pick({DType::f32, DType::u8, DType::i8})};
  if (t.type != DType::f32) {
    t.scale = random.real(1.0f / 60, 0.1f);
    t.zero = t.type == DType::u8 ? random.range(0, 255) : random.range(-128, 127);
  }
  return t;
}

size_t bytes_of(DType type) { return type == DType::f32 ? 4 : 1; }

double combine(Binary op, double a, double b) {
  switch (op) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::min: return std::min(a, b);
    case Binary::max: return std::max(a, b);
  }
  return 0;
}

TEST(Elementwise, BinaryMatchesNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 300; ++round) {
    BinaryJob job;
    job.op = random.pick({Binary::add, Binary::sub, Binary::mul, Binary::div, Binary::min, Binary::max});
    job.broadcast = random.pick({Broadcast::same, Broadcast::channel, Broadcast::gate, Broadcast::scalar});
    job.channels = random.pick({1, 3, 16, 17, 32, 72, 131});
    job.rows_per_image = random.range(1, 9);
    job.swapped = random.range(0, 1);
    const int64_t images = random.range(1, 3), rows = images * job.rows_per_image, count = rows * job.channels;
    const int64_t b_count = job.broadcast == Broadcast::same      ? count
                            : job.broadcast == Broadcast::channel ? job.channels
                            : job.broadcast == Broadcast::gate    ? images * job.channels
                                                                  : 1;
    RandomOperand a(random, count, 0.5f, 2), b(random, b_count, 0.5f, 2);
    if (job.op == Binary::div) {  // keep the divisor away from 0
      for (auto* x : {&a, &b})
        if (x->operand.type != DType::f32) x->operand.zero = x->operand.type == DType::u8 ? -20 : -150;
    }
    job.a = a.operand, job.b = b.operand;
    job.act = RandomEpilogue::activation(random);
    job.target = random_target(random);
    for (Isa isa : isas()) {
      SCOPED_TRACE(std::string(name_of(isa)) + " op " + std::to_string(int(job.op)) + " broadcast " +
                   std::to_string(int(job.broadcast)) + " act " + std::to_string(int(job.act.kind)));
      std::vector<uint8_t> y(count * bytes_of(job.target.type));
      const int64_t cut = random.range(0, static_cast<int>(rows));
      elementwise_kernels(isa).binary(job, y.data(), cut, rows);
      elementwise_kernels(isa).binary(job, y.data(), 0, cut);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t c = i % job.channels, row = i / job.channels;
        const int64_t j = job.broadcast == Broadcast::same      ? i
                          : job.broadcast == Broadcast::channel ? c
                          : job.broadcast == Broadcast::gate    ? row / job.rows_per_image * job.channels + c
                                                                : 0;
        const double left = job.swapped ? b.real(j) : a.real(i), right = job.swapped ? a.real(i) : b.real(j);
        const double v = act_reference(job.act, combine(job.op, left, right));
        const double out = element(y.data(), job.target.type, i);
        ASSERT_TRUE(close_to(job.target.type, out, v, 1 / job.target.scale, job.target.zero, 3e-6))
            << i << ": " << out << ", wanted " << v;
      }
    }
  }
}

TEST(Elementwise, ConvertAndLookupMatchNaiveLoop) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 300; ++round) {
    const int64_t count = random.range(1, 400);
    const RandomOperand x(random, count, -6, 6);
    const ConvertJob job{x.operand, RandomEpilogue::activation(random), random_target(random)};
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      std::vector<uint8_t> y(count * bytes_of(job.target.type));
      elementwise_kernels(isa).convert(job, y.data(), count / 3, count);
      elementwise_kernels(isa).convert(job, y.data(), 0, count / 3);
      for (int64_t i = 0; i < count; ++i) {
        const double v = act_reference(job.act, x.real(i)), out = element(y.data(), job.target.type, i);
        ASSERT_TRUE(close_to(job.target.type, out, v, 1 / job.target.scale, job.target.zero, 3e-6))
            << i << ": " << out << ", wanted " << v << " act " << int(job.act.kind);
      }
      if (job.x.type == DType::f32 || job.target.type == DType::f32) continue;
      std::array<uint8_t, 256> table;
      make_lookup(job, table.data());
      std::vector<uint8_t> looked_up(count);
      elementwise_kernels(isa).lookup(table.data(), x.data.data(), looked_up.data(), 0, count);
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(looked_up[i], table[x.data[i]]);
    }
  }
}

TEST(Elementwise, ActivationsAreAccurate) {
  const std::pair<Act, double> bounds[] = {{Act::sigmoid, 1e-6}, {Act::swish, 1e-6}, {Act::gelu, 2e-6},
                                           {Act::tanh, 1e-6},    {Act::elu, 1e-6},   {Act::mish, 1e-6},
                                           {Act::hard_swish, 1e-6}};
  std::vector<float> x;
  for (float v = 1e-6f; v < 80; v *= 1.003f) x.push_back(v), x.push_back(-v);
  for (auto [kind, bound] : bounds)
    for (Isa isa : isas()) {
      std::vector<float> y(x.size());
      const Activation act{kind, 1, 0};
      elementwise_kernels(isa).convert({{x.data()}, act, {}}, y.data(), 0, static_cast<int64_t>(x.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        const double wanted = act_reference(act, x[i]);
        double allowed = bound * std::abs(wanted) + 1e-36;
        if (kind == Act::gelu && x[i] < -3) allowed = 1e-5 * std::abs(wanted) + 1e-36;
        if (kind == Act::hard_swish) allowed += 1e-6;  // near -3 a difference of close numbers
        ASSERT_NEAR(y[i], wanted, allowed) << int(kind) << " of " << x[i] << " on " << name_of(isa);
      }
    }
}

TEST(Elementwise, ActivationsOfSpecialValues) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{inf, -inf, nan, 0.0f, 3e38f, -3e38f};
  auto run = [&](Isa isa, Act kind) {
    std::vector<float> y(x.size());
    elementwise_kernels(isa).convert({{x.data()}, {kind, 1, 0}, {}}, y.data(), 0, 6);
    return y;
  };
  for (Isa isa : isas()) {
    SCOPED_TRACE(name_of(isa));
    EXPECT_EQ(run(isa, Act::sigmoid)[0], 1);
    EXPECT_NEAR(run(isa, Act::sigmoid)[1], 0, 1e-37);
    EXPECT_EQ(run(isa, Act::tanh)[0], 1);
    EXPECT_EQ(run(isa, Act::tanh)[1], -1);
    EXPECT_EQ(run(isa, Act::tanh)[3], 0);
    EXPECT_EQ(run(isa, Act::relu)[0], inf);
    EXPECT_EQ(run(isa, Act::relu)[1], 0);
    EXPECT_EQ(run(isa, Act::elu)[1], -1);
    EXPECT_EQ(run(isa, Act::gelu)[0], inf);
    for (Act kind : {Act::relu, Act::sigmoid, Act::tanh, Act::gelu, Act::swish, Act::mish, Act::elu})
      EXPECT_TRUE(std::isnan(run(isa, kind)[2])) << int(kind);
  }
}

TEST(Elementwise, CopyConcatenatesAndRequantizes) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 100; ++round) {
    const int64_t rows = random.range(1, 8), channels = random.pick({1, 3, 16, 24, 72}),
                  x_stride = channels + random.range(0, 9), y_stride = channels + random.range(0, 9);
    const RandomOperand x(random, rows * x_stride);
    CopyJob job{x.operand, random_target(random), channels, x_stride, y_stride};
    const bool same = random.range(0, 1);
    if (same) job.target = {job.x.type, job.x.scale, job.x.zero};
    for (Isa isa : isas()) {
      const size_t size = bytes_of(job.target.type);
      std::vector<uint8_t> y(rows * y_stride * size, 0x33);
      elementwise_kernels(isa).copy(job, y.data(), 0, rows);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < y_stride; ++c) {
          const int64_t i = r * y_stride + c;
          if (c >= channels) {
            ASSERT_EQ(y[i * size], 0x33) << "written beyond the channels";
          } else if (same) {
            ASSERT_EQ(element(y.data(), job.target.type, i), element(job.x.data, job.x.type, r * x_stride + c));
          } else {
            ASSERT_TRUE(close_to(job.target.type, element(y.data(), job.target.type, i), x.real(r * x_stride + c),
                                 1 / job.target.scale, job.target.zero, 1e-6));
          }
        }
    }
  }
}

TEST(Elementwise, ShuffleTransposesGroups) {
  for (Isa isa : isas())
    for (int64_t groups : {1, 2, 3, 4}) {
      const int64_t channels = groups * 29, rows = 3;
      std::vector<uint8_t> x(rows * channels), y(x.size());
      std::vector<float> xf(x.size()), yf(x.size());
      for (size_t i = 0; i < x.size(); ++i) xf[i] = static_cast<float>(i), x[i] = static_cast<uint8_t>(i % 251);
      elementwise_kernels(isa).shuffle(x.data(), 1, channels, groups, y.data(), 0, rows);
      elementwise_kernels(isa).shuffle(xf.data(), 4, channels, groups, yf.data(), 0, rows);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t from = r * channels + c % groups * (channels / groups) + c / groups;
          ASSERT_EQ(y[r * channels + c], x[from]);
          ASSERT_EQ(yf[r * channels + c], xf[from]);
        }
    }
}

}  // namespace
}  // namespace hone::kernels
