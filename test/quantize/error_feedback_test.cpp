#include "quantize/methods/error_feedback.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "models.hpp"

namespace hone {
namespace {

using test::Net;

// Inputs that follow one direction and have means up to `mean`; the first `count` are to be learned from, as many again
// to judge by.
struct Inputs {
  static constexpr int64_t rows = 6, length = 24, count = 512;
  Net net;
  Tensor w;
  std::vector<float> x, scales;

  Inputs(unsigned seed, float mean) : net(seed), w(net.normal({rows, length}, 0.05F)), scales(rows, 0.02F) {
    Tensor base = net.normal({2 * count, 1}, 1), noise = net.normal({2 * count, length}, 0.2F);
    for (size_t i = 0; i < static_cast<size_t>(2 * count * length); ++i)
      x.push_back(mean * std::cos(static_cast<float>(i % length)) + base.data<float>()[i / length] +
                  noise.data<float>()[i]);
  }
  RoundingProblem problem(bool others = false) const {
    return {.rows = rows, .length = length, .weights = w.data<float>().data(), .scales = scales.data(),
            .samples = count, .stride = length, .inputs = x.data() + (others ? count * length : 0)};
  }
  std::vector<int8_t> nearest() const {
    std::vector<int8_t> result;
    for (float value : w.data<float>()) result.push_back(static_cast<int8_t>(std::nearbyint(value / 0.02F)));
    return result;
  }
  // Squared error on inputs that were not learned from, its mean (of each row) taken off or not.
  double error(const std::vector<int8_t>& rounded, bool centered) const {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<double> errors;
      double mean = 0;
      for (int64_t s = count; s < 2 * count; ++s) {
        double e = 0;
        for (int64_t k = 0; k < length; ++k) {
          const auto at = static_cast<size_t>(r * length + k);
          e += (w.data<float>()[at] - 0.02 * rounded[at]) * double{x[static_cast<size_t>(s * length + k)]};
        }
        errors.push_back(e);
        mean += e / count;
      }
      for (double e : errors) sum += (e - (centered ? mean : 0)) * (e - (centered ? mean : 0));
    }
    return sum;
  }
};

TEST(ErrorFeedback, BeatsRoundingToTheNearestOnOtherInputs) {
  const Inputs inputs(71, 0);
  const std::vector<int8_t> rounded = round_with_feedback(inputs.problem(), 0, true);
  EXPECT_LT(inputs.error(rounded, true), 0.2 * inputs.error(inputs.nearest(), true));
  EXPECT_EQ(rounded, round_with_feedback(inputs.problem(), 0, true)) << "deterministic";
}

TEST(ErrorFeedback, CountsTheMeanUnlessABiasTakesItBack) {
  const Inputs inputs(72, 5);
  const std::vector<int8_t> centered = round_with_feedback(inputs.problem(), 0, true),
                            whole = round_with_feedback(inputs.problem(), 0, false);
  EXPECT_LT(inputs.error(whole, false), 0.3 * inputs.error(centered, false));
  EXPECT_LT(inputs.error(centered, true), 0.3 * inputs.error(inputs.nearest(), true));
}

// What an input of coarse steps adds to each weight's error is counted: errors no longer hide behind each other.
TEST(ErrorFeedback, KeepsNearWhereInputsAreCoarse) {
  const Inputs inputs(73, 0);
  auto distance = [&](double step) {
    const std::vector<int8_t> rounded = round_with_feedback(inputs.problem(), step, true);
    double sum = 0;
    for (size_t i = 0; i < rounded.size(); ++i) sum += std::pow(inputs.w.data<float>()[i] / 0.02 - rounded[i], 2);
    return sum;
  };
  EXPECT_LT(distance(20), distance(0));
}

TEST(ErrorFeedback, LeavesWeightsOnAGridAndStaysInRange) {
  Inputs inputs(74, 1);
  auto w = inputs.w.mutable_data<float>();
  const std::vector<int8_t> grid = inputs.nearest();
  for (size_t i = 0; i < grid.size(); ++i) w[i] = 0.02F * grid[i];
  EXPECT_EQ(round_with_feedback(inputs.problem(), 0.1, true), grid);
  for (size_t i = 0; i < grid.size(); ++i) w[i] *= 40;
  RoundingProblem narrow = inputs.problem();
  narrow.largest = 63;
  for (int8_t value : round_with_feedback(narrow, 0.1, true)) EXPECT_TRUE(value >= -64 && value <= 63) << int{value};
}

TEST(ErrorFeedback, RowsThatDoNotGainKeepNearestNumbers) {
  Inputs inputs(75, 0);
  RoundingProblem four = inputs.problem();  // three to learn from tell nothing of 24 weights
  four.samples = 4;
  const std::vector<int8_t> rounded = round_with_feedback(four, 0, true);
  EXPECT_LT(inputs.error(rounded, true), 1.3 * inputs.error(inputs.nearest(), true));
}

TEST(ErrorFeedback, HelpsASmallNetwork) {
  Net net(76);
  Value* x = net.relu(net.conv(net.input("x", {1, 1, 8, 8}), 24, 1, "c1"), "r1");
  net.output(net.conv(net.relu(net.conv(x, 16, 1, "c2"), "r2"), 8, 1, "c3"));
  // With 7-bit weights rounding is what costs most.
  QuantizeOptions options{.error_feedback = false, .saturation_fix = SaturationFix::all};
  auto quality = [&] {
    const auto inputs = test::samples(net.graph, 24), others = test::samples(net.graph, 16, 99);
    return test::sqnr(net.graph, quantize(net.graph, test::source_of(inputs), test::reference_runner, options), others);
  };
  const double without = quality();
  options.error_feedback = true;
  EXPECT_GT(quality(), without + 0.3);
}

}  // namespace
}  // namespace hone
