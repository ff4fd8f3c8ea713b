#include "quantize/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "models.hpp"
#include "quantize/observer.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;

// start of each nonempty bin -> count, in absolute positions
std::vector<std::pair<double, int64_t>> filled(const Histogram& histogram) {
  std::vector<std::pair<double, int64_t>> result;
  for (int i = 0; i < static_cast<int>(histogram.counts().size()); ++i)
    if (histogram.counts()[static_cast<size_t>(i)])
      result.emplace_back(histogram.bin_start(i), histogram.counts()[static_cast<size_t>(i)]);
  return result;
}

TEST(Histogram, PutsEachValueIntoItsBin) {
  Histogram histogram;
  ASSERT_TRUE(histogram.add(std::vector<float>{-1.5F, 0, 0, 0.25F, 3}));
  EXPECT_EQ(histogram.count(), 5);
  EXPECT_EQ(histogram.zeros(), 2);
  EXPECT_EQ(histogram.min(), -1.5);
  EXPECT_EQ(histogram.max(), 3);
  auto bins = filled(histogram);
  ASSERT_EQ(bins.size(), 3u);
  std::vector<double> values{-1.5, 0.25, 3};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_LE(bins[i].first, values[i]);
    EXPECT_GT(bins[i].first + histogram.bin_width(), values[i]);
  }
}

TEST(Histogram, DoesNotDependOnTheOrderOrTheCutsOfTheData) {
  const unsigned seed = 11;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.3F, 2);
  std::vector<float> values(20000);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = normal(random) * (i % 5000 == 0 ? 1000.0F : i % 2 ? 1e-4F : 1.0F);
  Histogram whole;
  ASSERT_TRUE(whole.add(values));
  for (int round = 0; round < 5; ++round) {
    std::shuffle(values.begin(), values.end(), random);
    Histogram parts;
    for (size_t at = 0; at < values.size();) {
      size_t size = std::min<size_t>(values.size() - at, 1 + random() % 700);
      ASSERT_TRUE(parts.add(std::span(values).subspan(at, size)));
      at += size;
    }
    EXPECT_EQ(filled(parts), filled(whole));
    EXPECT_EQ(parts.bin_width(), whole.bin_width());
    EXPECT_EQ(parts.max(), whole.max());
  }
}

TEST(Histogram, KeepsItsMemoryAndItsCountsWhenTheRangeExplodes) {
  Histogram histogram;
  float value = 1e-38F;
  int added = 0;
  for (; value < 1e37F; value *= 10, ++added) ASSERT_TRUE(histogram.add(std::vector<float>{value, -value, 0}));
  EXPECT_EQ(histogram.counts().size(), static_cast<size_t>(Histogram::bins));
  EXPECT_EQ(histogram.zeros(), added);
  EXPECT_EQ(std::accumulate(histogram.counts().begin(), histogram.counts().end(), int64_t{0}), 2 * added);
  EXPECT_EQ(histogram.nonzeros(), 2 * added);
}

TEST(Histogram, MemoryDoesNotGrowWithTheSamples) {
  Net net(12);
  net.output(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c"));
  auto data = samples(net.graph, 40);
  CalibrationSource endless = [&, next = size_t{0}](std::vector<Tensor>& inputs) mutable {
    inputs = data[next++ % data.size()];
    return true;
  };
  auto after = [&](int count) {
    SampleStream stream(net.graph, endless, count);
    Observations seen = observe(net.graph, {{"x", {.range = true}}}, reference_runner, stream, no_progress());
    const Histogram& histogram = seen.at("x").histogram;
    EXPECT_EQ(histogram.count(), int64_t{count} * 3 * 8 * 8);
    return std::pair{histogram.counts().capacity(), stream.kept().size()};
  };
  EXPECT_EQ(after(400), after(70)) << "neither the histogram nor the samples that are kept";
}

TEST(Histogram, FullFloatRangeAndZerosOnly) {
  Histogram histogram;
  ASSERT_TRUE(histogram.add(std::vector<float>{0, 0, 0}));
  EXPECT_EQ(histogram.zeros(), 3);
  EXPECT_EQ(histogram.max(), 0);
  float big = std::numeric_limits<float>::max();
  ASSERT_TRUE(histogram.add(std::vector<float>{big, -big, 1e-45F}));
  EXPECT_EQ(histogram.nonzeros(), 3);
  EXPECT_EQ(std::accumulate(histogram.counts().begin(), histogram.counts().end(), int64_t{0}), 3);
}

TEST(Histogram, RefusesNaNAndInfinityAndStaysAsItWas) {
  Histogram histogram;
  ASSERT_TRUE(histogram.add(std::vector<float>{1, 2}));
  auto before = filled(histogram);
  for (float bad : {std::nanf(""), INFINITY, -INFINITY}) EXPECT_FALSE(histogram.add(std::vector<float>{0, bad, 5}));
  EXPECT_EQ(filled(histogram), before);
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_EQ(histogram.max(), 2);
}

}  // namespace
}  // namespace hone
