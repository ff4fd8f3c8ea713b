#include "quantize/range.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace hone {
namespace {

constexpr unsigned seed = 5;

std::vector<float> normal_values(size_t count, float mean, float deviation, bool relu = false) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = relu ? std::max(0.0F, normal(random)) : normal(random);
  return values;
}

Histogram histogram_of(const std::vector<float>& values) {
  Histogram histogram;
  EXPECT_TRUE(histogram.add(values));
  return histogram;
}

double real_error(const std::vector<float>& values, const TensorQuant& quant) {
  double error = 0;
  for (float value : values) {
    double difference = value - round_trip(value, quant);
    error += difference * difference;
  }
  return error;
}

TEST(Range, MinMaxIsWhatWasSeenAndHoldsZero) {
  Range range = choose_range(histogram_of({2, 5, 7.5F}), RangeMethod::min_max, 100, false);
  EXPECT_EQ(range.low, 0);
  EXPECT_EQ(range.high, 7.5);
  range = choose_range(histogram_of({-2, -5}), RangeMethod::min_max, 100, false);
  EXPECT_EQ(range.low, -5);
  EXPECT_EQ(range.high, 0);
  range = choose_range(histogram_of({-2, 5}), RangeMethod::min_max, 100, true);
  EXPECT_EQ(range.low, -5);
  EXPECT_EQ(range.high, 5);
}

TEST(Range, PercentileOfANormalDistribution) {
  auto values = normal_values(400000, 1, 2);
  Range range = choose_range(histogram_of(values), RangeMethod::percentile, 99, false);
  EXPECT_NEAR(range.high, 1 + 2 * 2.3263, 0.05);
  EXPECT_NEAR(range.low, 1 - 2 * 2.3263, 0.05);
  range = choose_range(histogram_of(values), RangeMethod::percentile, 100, false);
  EXPECT_EQ(range.high, *std::max_element(values.begin(), values.end()));
}

TEST(Range, PercentileCountsZeros) {
  std::vector<float> values(10000, 0);
  for (size_t i = 0; i < 1000; ++i) values[i] = static_cast<float>(i + 1);  // a tenth is uniform up to 1000
  Range range = choose_range(histogram_of(values), RangeMethod::percentile, 99, false);
  EXPECT_EQ(range.low, 0);
  EXPECT_NEAR(range.high, 900, 2);
}

TEST(Range, PercentileOfFewValuesCutsNothing) {
  Range range = choose_range(histogram_of({-3, 1, 4}), RangeMethod::percentile, 99.99, false);
  EXPECT_EQ(range.low, -3);
  EXPECT_EQ(range.high, 4);
}

TEST(Range, MseIgnoresARareOutlierWhereMinMaxFails) {
  auto values = normal_values(100000, 0, 1, true);
  values[17] = 400;
  Histogram histogram = histogram_of(values);
  TensorQuant mse = quant_for(choose_range(histogram, RangeMethod::mse, 100, false), false);
  TensorQuant full = quant_for(choose_range(histogram, RangeMethod::min_max, 100, false), false);
  EXPECT_NEAR(full.scale, 400.0 / 255, 1e-4);
  EXPECT_LT(mse.scale, full.scale);
  EXPECT_LT(real_error(values, mse), real_error(values, full));
}

// The chosen range is near the best of a fine search with real quantization.
TEST(Range, MseIsNearTheBestRange) {
  SCOPED_TRACE(seed);
  struct Case {
    float mean, deviation;
    bool relu;
  };
  for (Case c : {Case{0, 1, false}, {2, 1, false}, {-3, 0.5F, false}, {0.5F, 3, true}, {-1, 1, true}}) {
    auto values = normal_values(20000, c.mean, c.deviation, c.relu);
    for (size_t i = 0; i < 40; ++i) values[i] *= 8;  // a heavy tail
    Histogram histogram = histogram_of(values);
    double chosen = real_error(values, quant_for(choose_range(histogram, RangeMethod::mse, 100, false), false));
    double best = INFINITY;
    for (double low = 1; low > 0.02; low *= 0.9)
      for (double high = 1; high > 0.02; high *= 0.9) {
        Range range{std::min(0.0, histogram.min()) * low, std::max(0.0, histogram.max()) * high};
        if (range.high > range.low) best = std::min(best, real_error(values, quant_for(range, false)));
      }
    EXPECT_LT(chosen, 1.15 * best) << c.mean << " " << c.deviation << " " << c.relu;
  }
}

TEST(Range, SymmetricMseStaysSymmetric) {
  Range range = choose_range(histogram_of(normal_values(5000, 1, 1)), RangeMethod::mse, 100, true);
  EXPECT_EQ(range.low, -range.high);
  EXPECT_GT(range.high, 2);
}

TEST(Range, ErrorModelAgreesWithRealQuantization) {
  auto values = normal_values(50000, 0.5F, 1);
  Histogram histogram = histogram_of(values);
  for (Range range : {Range{-4, 5}, Range{-2, 2.5}, Range{-0.5, 1}}) {
    double real = real_error(values, quant_for(range, false));
    EXPECT_NEAR(expected_error(histogram, range) / real, 1, 0.05) << range.high;
  }
}

TEST(Quant, AfterReluTheZeroPointIsZero) {
  for (bool symmetric : {false, true}) {
    TensorQuant quant = quant_for({0, 6}, symmetric);
    EXPECT_EQ(quant.dtype, DType::u8);
    EXPECT_EQ(quant.zero_point, 0);
    EXPECT_FLOAT_EQ(quant.scale, 6.0F / 255);
  }
  EXPECT_EQ(quant_for({2, 6}, false).zero_point, 0) << "the range is widened to hold 0";
}

TEST(Quant, SignedRanges) {
  TensorQuant quant = quant_for({-1, 3}, false);
  EXPECT_EQ(quant.dtype, DType::u8);
  EXPECT_EQ(quant.zero_point, 64);
  quant = quant_for({-3, 3}, true);
  EXPECT_EQ(quant.dtype, DType::i8);
  EXPECT_EQ(quant.zero_point, 0);
  EXPECT_FLOAT_EQ(quant.scale, 3.0F / 127);
  EXPECT_EQ(quant_for({-3, -1}, false).zero_point, 255);
}

TEST(Quant, RoundTrip) {
  TensorQuant quant{DType::u8, 0.5F, 10};
  EXPECT_EQ(round_trip(0, quant), 0);
  EXPECT_EQ(round_trip(1.3F, quant), 1.5);
  EXPECT_EQ(round_trip(-100, quant), -5);
  EXPECT_EQ(round_trip(1000, quant), 122.5);
  EXPECT_EQ(round_trip(-1000, {DType::i8, 0.5F, 0}), -64);
}

TEST(Quant, DegenerateRangesGiveAUsableScale) {
  for (Range range : {Range{0, 0}, Range{-1e-40, 1e-40}, Range{0, 1e-38}}) {
    for (const TensorQuant& quant : {quant_for(range, false), quant_for(range, true), signed_quant_for(range)}) {
      EXPECT_TRUE(std::isfinite(1 / quant.scale));
      EXPECT_GT(quant.scale, 0);
    }
  }
  for (RangeMethod method : {RangeMethod::min_max, RangeMethod::percentile, RangeMethod::mse}) {
    EXPECT_EQ(choose_range(Histogram(), method, 99, false).high, 0);
    EXPECT_EQ(choose_range(histogram_of({0, 0}), method, 99, false).high, 0);
    EXPECT_NEAR(choose_range(histogram_of(std::vector<float>(100, 2.5F)), method, 99, false).high, 2.5, 0.01);
  }
}

TEST(Range, NamesGoBothWays) {
  for (RangeMethod method : range_methods()) EXPECT_EQ(range_method_from_name(name_of(method)), method);
  EXPECT_FALSE(range_method_from_name("largest"));
}

TEST(Range, MeanOfExtremesIsWhatItIsGiven) {
  Histogram histogram = histogram_of({-2, 5});
  Range range = choose_range(histogram, RangeMethod::mean_min_max, 100, false, Range{-1, 3});
  EXPECT_EQ(range.low, -1);
  EXPECT_EQ(range.high, 3);
  range = choose_range(histogram, RangeMethod::mean_min_max, 100, true, Range{-1, 3});
  EXPECT_EQ(range.low, -3);
}

// Migacz 2017: the threshold leaves out a sparse tail, and keeps all of a distribution that fills its range.
TEST(Range, EntropyCutsASparseTailAndKeepsAFullRange) {
  auto values = normal_values(200000, 0, 1);
  for (size_t i = 0; i < 20; ++i) values[i * 1000] = 30 + static_cast<float>(i);
  double top = entropy_threshold(histogram_of(values), 128);
  EXPECT_GT(top, 2);
  EXPECT_LT(top, 15);
  std::vector<float> uniform(100000);
  for (size_t i = 0; i < uniform.size(); ++i) uniform[i] = static_cast<float>(i) / 1000;
  EXPECT_GT(entropy_threshold(histogram_of(uniform), 256), 95);
  TensorQuant cut = quant_for(choose_range(histogram_of(values), RangeMethod::entropy, 100, false), false);
  TensorQuant full = quant_for(choose_range(histogram_of(values), RangeMethod::min_max, 100, false), false);
  EXPECT_LT(cut.scale, 0.5F * full.scale);
}

TEST(Range, EntropyOfFewOrEqualValues) {
  EXPECT_EQ(entropy_threshold(histogram_of({0, 0}), 128), 0);
  EXPECT_EQ(entropy_threshold(histogram_of({-3}), 128), 3);
}

TEST(RoundTrip, RoundsHalvesToEvenAndSaturates) {
  const TensorQuant quant{DType::u8, 0.5F, 10};
  const std::vector<std::pair<float, float>> pairs{{0.25F, 0},  {0.75F, 1},    {-0.25F, 0},         {-4.9F, -5},
                                                   {-60, -5},   {1e30F, 122.5F}, {122.4F, 122.5F}, {0.3F, 0.5F}};
  for (auto [value, expected] : pairs) EXPECT_EQ(round_trip(value, quant), expected) << value;
  for (int i = -4000; i <= 4000; ++i) {
    const float x = static_cast<float>(i) / 16;
    EXPECT_EQ(round_even(x), std::nearbyint(x)) << x;
  }
}

}  // namespace
}  // namespace hone
