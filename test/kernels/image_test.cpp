#include "kernels/image.hpp"

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

/// ONNX's reference for one axis: neighbors around the point, coefficients normalized, borders repeated.
double sample(const std::vector<double>& line, double at, double scale, bool antialias) {
  const double s = antialias ? std::min(scale, 1.0) : 1.0;
  double sum = 0, total = 0;
  for (int64_t k = static_cast<int64_t>(std::floor(at - 1 / s)) - 1; k <= at + 1 / s + 1; ++k) {
    const double w = std::max(0.0, 1 - std::abs(static_cast<double>(k) - at) * s);
    total += w;
    sum += w * line[std::clamp<int64_t>(k, 0, static_cast<int64_t>(line.size()) - 1)];
  }
  return sum / total;
}

double resized(const std::vector<uint8_t>& x, const ImageSpec& s, int64_t row_bytes, int64_t oy, int64_t ox,
               int channel) {
  const double scale_y = double(s.out_height) / double(s.height), scale_x = double(s.out_width) / double(s.width);
  std::vector<double> column(s.height), line(s.width);
  for (int64_t row = 0; row < s.height; ++row) {
    for (int64_t i = 0; i < s.width; ++i) line[i] = x[row * row_bytes + i * s.channels + channel];
    column[row] = sample(line, (double(ox) + 0.5) / scale_x - 0.5, scale_x, s.antialias);
  }
  return sample(column, (double(oy) + 0.5) / scale_y - 0.5, scale_y, s.antialias);
}

TEST(Image, MatchesOnnxResizeAndAffine) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 80; ++round) {
    ImageSpec s;
    s.height = random.range(1, 24), s.width = random.range(1, 40);
    const bool resize = random.range(0, 2);
    s.out_height = resize ? random.range(1, 20) : s.height;
    s.out_width = resize ? random.range(1, 80) : s.width;
    s.antialias = random.range(0, 1);
    s.channels = random.range(1, 4);
    s.out_channels = random.range(s.channels, 4);
    if (s.channels == 3 && random.range(0, 1)) std::swap(s.source_channel[0], s.source_channel[2]);
    for (int c = 0; c < 4; ++c) s.scale[c] = random.real(0.005f, 0.02f), s.shift[c] = random.real(-2, 0.5f);
    s.target.type = random.pick({DType::f32, DType::u8, DType::i8});
    if (s.target.type != DType::f32) s.target.scale = 0.025f, s.target.zero = random.range(-20, 100);
    const int64_t row_bytes = s.width * s.channels + random.range(0, 5);
    auto x = random.bytes(s.height * row_bytes);
    x.resize((s.height - 1) * row_bytes + s.width * s.channels);  // nothing behind the last pixel
    x.shrink_to_fit();
    const ImagePlan plan(s);
    for (Isa isa : isas()) {
      SCOPED_TRACE(name_of(isa));
      const int64_t count = s.out_height * s.out_width * s.out_channels;
      const size_t size = s.target.type == DType::f32 ? 4 : 1;
      std::vector<uint8_t> y(count * size + 16, 0x11);
      std::vector<float> scratch(plan.scratch_floats);
      const int64_t cut = random.range(0, static_cast<int>(s.out_height));
      plan.run(x.data(), row_bytes, y.data(), scratch.data(), cut, s.out_height, isa);
      plan.run(x.data(), row_bytes, y.data(), scratch.data(), 0, cut, isa);
      for (int64_t i = 0; i < count; ++i) {
        const int c = static_cast<int>(i % s.out_channels);
        const int64_t pixel = i / s.out_channels;
        double v = 0;
        if (c < s.channels)
          v = resized(x, s, row_bytes, pixel / s.out_width, pixel % s.out_width, s.source_channel[c]) * s.scale[c] +
              s.shift[c];
        const double out = element(y.data(), s.target.type, i);
        ASSERT_TRUE(close_to(s.target.type, out, v, 1 / s.target.scale, s.target.zero, 2e-6))
            << i << ": " << out << ", wanted " << v;
      }
      for (int i = 0; i < 16; ++i) ASSERT_EQ(y[count * size + i], 0x11);
    }
  }
}

// Values from ONNX's node test resize_downsample_sizes_linear_antialias (4x4 of 1..16 to 3x3).
TEST(Image, AntialiasMatchesOnnxExample) {
  ImageSpec s;
  s.height = s.width = 4, s.channels = s.out_channels = 1, s.out_height = s.out_width = 3, s.antialias = true;
  std::vector<uint8_t> x(16);
  for (int i = 0; i < 16; ++i) x[i] = static_cast<uint8_t>(i + 1);
  const ImagePlan plan(s);
  std::vector<float> y(9), scratch(plan.scratch_floats);
  plan.run(x.data(), 0, y.data(), scratch.data(), 0, 3);
  const float wanted[] = {2.3636363f, 3.590909f, 4.818182f,  7.2727275f, 8.5f,
                          9.727273f,  12.181818f, 13.409091f, 14.636364f};
  for (int i = 0; i < 9; ++i) EXPECT_NEAR(y[i], wanted[i], 1e-5f) << i;
}

}  // namespace
}  // namespace hone::kernels
