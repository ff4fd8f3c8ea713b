#include "quantize/weights.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "models.hpp"

namespace hone {
namespace {

using test::Net;

Tensor dequantized(const QuantizedWeights& quantized) {
  Tensor result = quantized.values.cast(DType::f32);
  int64_t channels = static_cast<int64_t>(quantized.scales.size()), inner = 1;
  for (int i = quantized.axis + 1; i < result.rank(); ++i) inner *= result.dim(i);
  auto data = result.mutable_data<float>();
  for (size_t i = 0; i < data.size(); ++i)
    data[i] *= quantized.scales[static_cast<size_t>(static_cast<int64_t>(i) / inner % channels)];
  return result;
}

TEST(Weights, OneScaleAChannelAlongTheAxis) {
  Tensor weights = Tensor::of<float>({2, 3}, {1, -2, 0.5F, 100, 50, -127});
  QuantizedWeights rows = quantize_weights(weights, 0, {});
  ASSERT_EQ(rows.scales.size(), 2u);
  for (size_t i = 0; i < 6; ++i)  // each row lies on a grid of its own
    EXPECT_FLOAT_EQ(dequantized(rows).data<float>()[i], weights.data<float>()[i]);
  EXPECT_NEAR(rows.scales[1], 1, 0.01);
  QuantizedWeights columns = quantize_weights(weights, 1, {});
  ASSERT_EQ(columns.scales.size(), 3u);
  EXPECT_NEAR(columns.scales[2], 1, 0.5);
  EXPECT_LT(columns.scales[1], 1);
  EXPECT_EQ(quantize_weights(weights, -1, {}).scales.size(), 1u);
}

TEST(Weights, SevenBits) {
  Tensor weights = Net(3).normal({4, 50}, 1);
  auto values = quantize_weights(weights, 0, {}, 63).values.to_ints();
  EXPECT_LE(*std::max_element(values.begin(), values.end()), 63);
  EXPECT_GE(*std::min_element(values.begin(), values.end()), -64);
  EXPECT_LE(2 * 64 * 255, 32767) << "a pair of products fits into 16 bits";
}

// What was 8 bits before is the same 8 bits again, whatever the largest number that a channel happens to use.
TEST(Weights, AGridOfEightBitsIsKept) {
  std::mt19937 random(5);
  for (int largest : {128, 127, 100, 71, 20, 7}) {
    Tensor weights(DType::f32, {1, 40});
    auto data = weights.mutable_data<float>();
    for (float& w : data) w = 0.0173F * static_cast<float>(static_cast<int>(random() % static_cast<unsigned>(largest)));
    data[3] = -0.0173F * static_cast<float>(largest);
    QuantizedWeights quantized = quantize_weights(weights, 0, {});
    for (size_t i = 0; i < 40; ++i) EXPECT_NEAR(dequantized(quantized).data<float>()[i], data[i], 1e-5) << largest;
  }
}

// The few weights of a depthwise channel: the scale that rounds them best, never a worse one than the usual.
TEST(Weights, SmallChannelsRoundBetterThanWithTheLargestAsTheEnd) {
  Tensor weights = Net(8).normal({200, 9}, 1);
  Tensor found = dequantized(quantize_weights(weights, 0, {}));
  auto w = weights.data<float>(), f = found.data<float>();
  double usual_error = 0, found_error = 0;
  for (size_t c = 0; c < 200; ++c) {
    float top = 0;
    for (size_t i = 0; i < 9; ++i) top = std::max(top, std::fabs(w[9 * c + i]));
    double usual = 0, best = 0;
    for (size_t i = 9 * c; i < 9 * c + 9; ++i) {
      usual += std::pow(w[i] - top / 127 * std::nearbyint(w[i] / (top / 127)), 2);
      best += std::pow(w[i] - f[i], 2);
    }
    EXPECT_LE(best, usual * 1.0001) << c;
    usual_error += usual, found_error += best;
  }
  EXPECT_LT(found_error, 0.6 * usual_error);
}

TEST(Weights, ZeroChannelsAndTinyWeightsGetAUsableScale) {
  QuantizedWeights quantized = quantize_weights(Tensor::of<float>({2, 2}, {0, 0, 1e-40F, 0}), 0, {});
  for (float scale : quantized.scales) EXPECT_GT(scale, 1e-6);
  EXPECT_EQ(quantized.values.to_ints(), (std::vector<int64_t>{0, 0, 0, 0}));
}

TEST(Weights, ALargeBiasFitsBecauseTheWeightScaleGrows) {
  std::vector<float> bias{1000, 1};
  float input_scale = 1e-3F;
  Tensor weights = Tensor::of<float>({2, 1}, {1e-6F, 1});
  QuantizedWeights quantized = quantize_weights(weights, 0, least_scales(bias, input_scale, 2));
  auto stored = quantize_bias(bias, input_scale, quantized.scales).to_ints();
  for (size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(static_cast<double>(stored[i]) * input_scale * quantized.scales[i] / bias[i], 1, 1e-4);
}

// Against running the layer on an input whose channels are constant: there, the mean is all there is.
TEST(Weights, MeanOutputErrorIsExactForConstantChannels) {
  struct Case {
    int64_t inputs, outputs, kernel, group, stride;
  };
  for (Case c : {Case{6, 4, 3, 1, 1}, {6, 6, 3, 6, 2}, {6, 4, 5, 2, 1}, {6, 8, 1, 1, 1}}) {
    Net net(9);
    Value* x = net.input("x", {1, c.inputs, 7, 6});
    Value* y = net.conv(x, c.outputs, c.kernel, "conv", c.group, c.stride);
    net.output(y);
    const Node& layer = *y->producer();
    QuantizedWeights quantized = quantize_weights(layer.input(1)->constant(), 0, {}, 7);
    Observation seen;
    seen.dims = {1, c.inputs, 7, 6};
    seen.channels.count = 1;
    Tensor input(DType::f32, seen.dims);
    auto pixels = input.mutable_data<float>();
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i / 42) - 2;
    for (int64_t i = 0; i < c.inputs; ++i) seen.channels.sums.push_back(static_cast<double>(i) - 2);
    std::vector<double> predicted = mean_output_error(layer, quantized, seen);
    ASSERT_EQ(predicted.size(), static_cast<size_t>(c.outputs));

    Tensor before = evaluate(net.graph, std::vector<Tensor>{input})[0];
    net.graph.set_constant(layer.input(1), dequantized(quantized));
    Tensor after = evaluate(net.graph, std::vector<Tensor>{input})[0];
    int64_t area = before.size() / c.outputs;
    for (int64_t m = 0; m < c.outputs; ++m) {
      double error = 0;
      for (int64_t i = 0; i < area; ++i) {
        size_t at = static_cast<size_t>(m * area + i);
        error += after.data<float>()[at] - before.data<float>()[at];
      }
      EXPECT_NEAR(predicted[static_cast<size_t>(m)], error / static_cast<double>(area), 1e-4) << c.kernel << " " << m;
    }
  }
}

TEST(Weights, NaNIsNamed) {
  Net net;
  Value* y = net.conv(net.input("x", {1, 2, 4, 4}), 2, 1, "bad");
  Tensor weights = net.normal({2, 2, 1, 1}, 1);
  weights.mutable_data<float>()[3] = NAN;
  net.graph.set_constant(y->producer()->input(1), weights);
  try {
    check_finite(*y->producer(), 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "conv 'bad': constant 'bad/w' has NaN at element 3; the model is damaged or its training diverged");
  }
}

}  // namespace
}  // namespace hone
