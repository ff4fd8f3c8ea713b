#include "data/augment.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

AugmentOptions nothing() {
  AugmentOptions options;
  options.min_area = options.max_area = 1;
  options.min_aspect = options.max_aspect = 1;
  options.flip = options.brightness = options.contrast = options.saturation = options.hue = 0;
  return options;
}

Tensor apply(const Tensor& image, const AugmentOptions& options, uint64_t seed, int height, int width) {
  Rng rng(seed);
  Tensor out;
  augment(image, height, width, options, rng, out);
  return out;
}

Tensor filled(int height, int width, std::array<uint8_t, 3> color) {
  Tensor image(DType::u8, {height, width, 3});
  auto data = image.mutable_data<uint8_t>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = color[i % 3];
  return image;
}

TEST(Rng, HasFixedNumbersAndEvenDistributions) {
  Rng rng(42);
  std::vector<int> counts(7, 0);
  double sum = 0, squares = 0;
  for (int i = 0; i < 70000; ++i) {
    ++counts[rng.below(7)];
    double value = rng.normal();
    sum += value;
    squares += value * value;
    double uniform = rng.uniform();
    ASSERT_TRUE(uniform >= 0 && uniform < 1);
    int between = rng.between(-3, 3);
    ASSERT_TRUE(between >= -3 && between <= 3);
  }
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
  EXPECT_NEAR(sum / 70000, 0, 0.02);
  EXPECT_NEAR(squares / 70000, 1, 0.03);
  EXPECT_EQ(Rng(1).below(0), 0u);
  EXPECT_NE(Rng::of(1, 2, 3).next_u64(), Rng::of(1, 3, 2).next_u64());
  EXPECT_EQ(Rng::of(1, 2, 3).next_u64(), Rng::of(1, 2, 3).next_u64());
  // Fixed for all time: a resumed training must see the numbers it had.
  EXPECT_EQ(mix_bits(0), 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(Rng(42).next_u64(), 0x6B2F2BA500DA2B56ULL);
}

TEST(Augment, WithoutVariationIsAResize) {
  Tensor image = random_image(12, 9, 1);
  EXPECT_TRUE(identical(apply(image, nothing(), 3, 12, 9), image));
}

TEST(Augment, DependsOnTheSeedOnly) {
  Tensor image = random_image(40, 50, 2);
  AugmentOptions options;
  options.rotation = 20;
  options.erase = 0.5;
  EXPECT_TRUE(identical(apply(image, options, 5, 32, 24), apply(image, options, 5, 32, 24)));
  EXPECT_FALSE(identical(apply(image, options, 5, 32, 24), apply(image, options, 6, 32, 24)));
  EXPECT_EQ(apply(image, options, 5, 32, 24).dims(), (Dims{32, 24, 3}));
}

TEST(Augment, FlipsBothWays) {
  Tensor image = Tensor::of<uint8_t>({2, 2, 3}, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4});
  AugmentOptions options = nothing();
  options.flip = 1;
  EXPECT_EQ(apply(image, options, 1, 2, 2).to_ints()[0], 2);
  options.vertical_flip = 1;
  EXPECT_EQ(apply(image, options, 1, 2, 2).to_ints()[0], 4);
  options.flip = 0;
  EXPECT_EQ(apply(image, options, 1, 2, 2).to_ints()[0], 3);
}

TEST(Augment, ColorStaysInItsRange) {
  Tensor gray = filled(8, 8, {100, 100, 100});
  AugmentOptions options = nothing();
  options.saturation = 0.9;
  options.hue = 0.5;
  for (uint64_t seed = 0; seed < 20; ++seed)  // gray has neither saturation nor hue
    for (int64_t value : apply(gray, options, seed, 8, 8).to_ints())
      ASSERT_NEAR(static_cast<double>(value), 100, 1) << seed;
  options = nothing();
  options.brightness = 0.2;
  int64_t low = 255, high = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    int64_t value = apply(gray, options, seed, 8, 8).to_ints()[0];
    low = std::min(low, value);
    high = std::max(high, value);
  }
  EXPECT_GE(low, 80);
  EXPECT_LE(high, 120);
  EXPECT_LT(low, 84);
  EXPECT_GT(high, 116);
  // Contrast keeps the mean, saturation 0.9 on a color moves its channels.
  options = nothing();
  options.contrast = 0.9;
  EXPECT_NEAR(static_cast<double>(apply(gray, options, 3, 8, 8).to_ints()[0]), 100, 1);
  options = nothing();
  options.hue = 0.5;
  EXPECT_FALSE(identical(apply(filled(8, 8, {200, 50, 50}), options, 3, 8, 8), filled(8, 8, {200, 50, 50})));
}

TEST(Augment, CropsVaryInPlaceAndSize) {
  // A horizontal ramp: the first and last column tell the place of the crop.
  Tensor ramp(DType::u8, {64, 128, 3});
  auto data = ramp.mutable_data<uint8_t>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i / 3 % 128 * 2);
  AugmentOptions options = nothing();
  options.min_area = 0.25;
  options.min_aspect = 0.75;
  options.max_aspect = 1.33;
  double smallest = 1, largest = 0, first_left = 255, last_left = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Tensor out = apply(ramp, options, seed, 16, 32);
    auto values = out.data<uint8_t>();
    double left = values[0], right = values[31 * 3];
    double width = (right - left) / 254;
    smallest = std::min(smallest, width);
    largest = std::max(largest, width);
    first_left = std::min(first_left, left);
    last_left = std::max(last_left, left);
  }
  EXPECT_GT(smallest, 0.38);  // sqrt(0.25 * 0.75) of the width, less half a pixel at each side
  EXPECT_LT(smallest, 0.55);
  EXPECT_GT(largest, 0.85);
  EXPECT_LT(first_left, 20);
  EXPECT_GT(last_left, 80);
}

TEST(Augment, RotationTurnsAroundTheCenter) {
  Tensor image = filled(33, 33, {0, 0, 0});
  auto data = image.mutable_data<uint8_t>();
  for (int y = 0; y < 33; ++y)
    for (int x = 14; x < 19; ++x)
      for (size_t c = 0; c < 3; ++c) data[static_cast<size_t>(y * 33 + x) * 3 + c] = 255;
  AugmentOptions options = nothing();
  options.rotation = 180;
  bool turned = false;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Tensor out = apply(image, options, seed, 33, 33);
    EXPECT_GT(out.data<uint8_t>()[(16 * 33 + 16) * 3], 200) << seed;
    turned = turned || out.data<uint8_t>()[(16 * 33 + 4) * 3] > 200;
  }
  EXPECT_TRUE(turned);
}

TEST(Augment, ErasesARectangle) {
  Tensor image = filled(50, 50, {7, 7, 7});
  AugmentOptions options = nothing();
  options.erase = 1;
  Tensor out = apply(image, options, 4, 50, 50);
  int64_t changed = 0;
  for (size_t i = 0; i < 2500; ++i) {
    auto pixel = out.data<uint8_t>().subspan(i * 3, 3);
    changed += pixel[0] != 7 || pixel[1] != 7 || pixel[2] != 7;
  }
  EXPECT_GE(changed, 40);
  EXPECT_LE(changed, 560);
}

TEST(Augment, NamesTheOptionOutOfRange) {
  Tensor image = random_image(4, 4, 1), out;
  Rng rng(1);
  auto message = [&](auto&& change) {
    AugmentOptions options;
    change(options);
    return error_of([&] { augment(image, 4, 4, options, rng, out); });
  };
  EXPECT_THAT(message([](AugmentOptions& options) { options.max_area = 0.1; }), HasSubstr("max_area is 0.1"));
  EXPECT_THAT(message([](AugmentOptions& options) { options.flip = 2; }), HasSubstr("flip is 2"));
  EXPECT_THAT(message([](AugmentOptions& options) { options.hue = std::nan(""); }), HasSubstr("hue is nan"));
  EXPECT_THAT(error_of([&] { augment(Tensor(), 4, 4, {}, rng, out); }), HasSubstr("u8 [H, W, 3]"));
}

}  // namespace
}  // namespace hone
