#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models.hpp"
#include "optimize/pass_manager.hpp"
#include "quantize/methods/adaround.hpp"
#include "quantize/methods/batch_norm.hpp"
#include "quantize/methods/bias_correction.hpp"
#include "quantize/methods/depthwise_inputs.hpp"
#include "quantize/methods/equalize.hpp"
#include "quantize/methods/smooth.hpp"
#include "quantize/observer.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;
using test::sqnr;

double quality(const Net& net, const QuantizeOptions& options, QuantizeReport* report = nullptr, int count = 24) {
  auto data = samples(net.graph, count);
  Graph quantized = quantize(net.graph, source_of(data), reference_runner, options, report);
  return sqnr(net.graph, quantized, samples(net.graph, 16, 99));
}

// A depthwise pair whose channels differ by up to a factor of 1000: one scale cannot serve them all.
Net unaligned_net() {
  Net net(41);
  Value* x = net.relu(net.conv(net.input("x", {1, 8, 10, 10}), 8, 3, "depthwise", 8), "r1");
  Value* y = net.conv(x, 8, 1, "pointwise");
  for (auto [name, second] : {std::pair{"depthwise/w", false}, {"depthwise/b", false}, {"pointwise/w", true}}) {
    Value* value = net.graph.find_value(name);
    Tensor tensor = value->constant().clone();
    auto data = tensor.mutable_data<float>();
    for (size_t i = 0; i < data.size(); ++i) {
      size_t channel = second ? i % 8 : i / (data.size() / 8);
      float factor = std::pow(10.0F, 3 * static_cast<float>(channel) / 7 - 1.5F);
      data[i] *= second ? 1 / factor : factor;
    }
    net.graph.set_constant(value, tensor);
  }
  net.output(net.conv(net.relu(y, "r2"), 4, 1, "last"));
  return net;
}

TEST(Equalize, KeepsResultsAndAlignsRanges) {
  Net net = unaligned_net();
  Graph equal = net.graph.clone();
  EXPECT_GT(equalize(equal), 8);
  for (const auto& sample : samples(net.graph, 3)) {
    Tensor before = evaluate(net.graph, sample)[0], after = evaluate(equal, sample)[0];
    for (size_t i = 0; i < static_cast<size_t>(before.size()); ++i)
      EXPECT_NEAR(before.data<float>()[i], after.data<float>()[i], 1e-3);
  }
  // Equation 11: afterwards both layers have the same range in each channel.
  auto first = equal.find_value("depthwise/w")->constant().data<float>();
  auto second = equal.find_node("pointwise")->input(1)->constant().data<float>();
  for (size_t c = 0; c < 8; ++c) {
    float r1 = 0, r2 = 0;
    for (size_t i = 0; i < 9; ++i) r1 = std::max(r1, std::fabs(first[c * 9 + i]));
    for (size_t m = 0; m < 8; ++m) r2 = std::max(r2, std::fabs(second[m * 8 + c]));
    EXPECT_NEAR(r1 / r2, 1, 0.01) << c;
  }
}

TEST(Equalize, SavesAnUnalignedDepthwisePair) {
  Net net = unaligned_net();
  QuantizeReport report;
  // The alignment of tied channels would find the same fault.
  double without = quality(net, {.align_channels = false}),
         with = quality(net, {.equalize = true, .align_channels = false}, &report);
  EXPECT_GT(with, without + 6);
  EXPECT_GT(report.channels_equalized, 0);
}

TEST(Equalize, LeavesWhatOthersUseAlone) {
  Net net(42);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 6, 6}), 4, 1, "c1"), "r1");
  net.output(x, "features");
  net.output(net.conv(x, 4, 1, "c2"));
  EXPECT_EQ(equalize(net.graph), 0);
  Net clipped(43);
  x = clipped.relu6(clipped.conv(clipped.input("x", {1, 3, 6, 6}), 4, 1, "c1"), "r1");
  clipped.output(clipped.conv(x, 4, 1, "c2"));
  EXPECT_EQ(equalize(clipped.graph), 0) << "Clip is not homogeneous";
}

// What large language models show: after LayerNormalization a few channels are far larger than all others.
Net outlier_net() {
  Net net(44);
  Value* x = net.input("x", {1, 12, 16});
  Tensor gain = net.normal({16}, 0.1F, 1);
  gain.mutable_data<float>()[3] = 120;
  gain.mutable_data<float>()[9] = 80;
  std::vector<Value*> inputs{x, net.graph.add_constant("gain", gain),
                             net.graph.add_constant("shift", net.normal({16}, 0.1F))};
  Value* norm = net.apply("LayerNormalization", inputs, "norm");
  Tensor weights = net.normal({16, 16}, 0.3F);
  for (size_t row : {3, 9})
    for (size_t n = 0; n < 16; ++n) weights.mutable_data<float>()[row * 16 + n] *= 0.01F;
  Value* a = net.apply("MatMul", {norm, net.graph.add_constant("wa", weights)}, "a");
  Tensor others = weights.clone();
  for (float& w : others.mutable_data<float>()) w = -0.9F * w;
  Value* b = net.apply("MatMul", {norm, net.graph.add_constant("wb", others)}, "b");
  net.output(net.apply("Softmax", {a}, "pa"), "pa");
  net.output(b, "b");
  return net;
}

TEST(Smooth, KeepsResultsAndMovesOutliersIntoWeights) {
  Net net = outlier_net();
  auto inputs = smoothable_inputs(net.graph);
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs.begin()->second, 2);
  Graph smoothed = net.graph.clone();
  std::vector<float> magnitudes(16, 2);
  magnitudes[3] = 250;
  EXPECT_EQ(smooth(smoothed, {{"norm", magnitudes}}, 0.5), 2);
  for (const auto& sample : samples(net.graph, 3))
    for (size_t o = 0; o < 2; ++o) {
      Tensor before = evaluate(net.graph, sample)[o], after = evaluate(smoothed, sample)[o];
      for (size_t i = 0; i < static_cast<size_t>(before.size()); ++i)
        EXPECT_NEAR(before.data<float>()[i], after.data<float>()[i], 1e-3);
    }
}

TEST(Smooth, SavesMatrixProductsWithOutlierChannels) {
  Net net = outlier_net();
  QuantizeReport report;
  QuantizeOptions off{.model_type = ModelType::transformer, .smooth_alpha = 0};
  double without = quality(net, off), with = quality(net, {.model_type = ModelType::transformer}, &report);
  EXPECT_EQ(report.layers_smoothed, 2);
  EXPECT_GT(with, without + 6);
}

// Inputs share a direction, so that rounding errors add up unless they are chosen together.
TEST(AdaptiveRounding, BeatsRoundingToTheNearest) {
  Net net(45);
  constexpr int64_t rows = 6, length = 24, count = 512;
  Tensor w = net.normal({rows, length}, 0.05F), base = net.normal({count, 1}, 1),
         noise = net.normal({count, length}, 0.2F);
  std::vector<float> x(count * length), scales(rows, 0.02F);
  for (size_t i = 0; i < x.size(); ++i) x[i] = base.data<float>()[i / length] + noise.data<float>()[i];
  RoundingProblem problem{.rows = rows, .length = length, .weights = w.data<float>().data(), .scales = scales.data(),
                          .samples = count, .stride = length, .inputs = x.data()};
  std::vector<int8_t> learned = learn_rounding(problem, {.iterations = 600}), nearest(learned.size());
  for (size_t i = 0; i < nearest.size(); ++i) {
    float exact = w.data<float>()[i] / 0.02F;
    nearest[i] = static_cast<int8_t>(std::nearbyint(exact));
    EXPECT_LE(std::fabs(static_cast<float>(learned[i]) - exact), 1.0001F) << "rounds up or down, no further";
  }
  double before = 0, after = 0;
  for (double error : rounding_errors(problem, nearest)) before += error;
  for (double error : rounding_errors(problem, learned)) after += error;
  EXPECT_LT(after, 0.5 * before);
  EXPECT_EQ(learned, learn_rounding(problem, {.iterations = 600})) << "deterministic";
}

TEST(AdaptiveRounding, CollectsTheInputsOfAConvolution) {
  Net net(46);
  Value* x = net.input("x", {1, 4, 5, 5});
  Value* y = net.conv(x, 6, 3, "c", 2, 2);
  net.output(y);
  const Node& layer = *y->producer();
  Tensor sample = net.normal({1, 4, 5, 5}, 1);
  LayerInputs inputs(layer, 100);
  EXPECT_EQ(inputs.width(), 2 * 2 * 9);
  inputs.add(sample, 100, 1);
  // The learned rounding of exactly representable weights is those weights: the windows were right if nothing changes,
  // and a wrong group or row would show as an error.
  QuantizedWeights quantized = quantize_weights(layer.input(1)->constant(), 0, {});
  Tensor exact(DType::f32, layer.input(1)->constant().dims());
  for (size_t i = 0; i < static_cast<size_t>(exact.size()); ++i)
    exact.mutable_data<float>()[i] = quantized.scales[i / 18] * quantized.values.data<int8_t>()[i];
  net.graph.set_constant(layer.input(1), exact);
  QuantizedWeights learned = quantize_weights(exact, 0, {});
  EXPECT_TRUE(inputs.round(learned, {}, false, 127, [](const RoundingProblem& problem) {
    return learn_rounding(problem, {.iterations = 50});
  }));
  EXPECT_TRUE(identical(learned.values, quantize_weights(exact, 0, {}).values));
}

TEST(AdaptiveRounding, HelpsASmallNetwork) {
  Net net(47);
  // All channels of the second layer's input follow one: what matters is how rounding errors add up.
  Value* x = net.relu(net.conv(net.input("x", {1, 1, 8, 8}), 24, 1, "c1"), "r1");
  net.output(net.conv(net.relu(net.conv(x, 16, 1, "c2"), "r2"), 8, 1, "c3"));
  // With 7-bit weights rounding is what costs most.
  QuantizeOptions options{.error_feedback = false, .saturation_fix = SaturationFix::all};
  double without = quality(net, options);
  options.adaptive_rounding = true;
  options.rounding_iterations = 600;
  QuantizeReport report;
  double with = quality(net, options, &report);
  EXPECT_EQ(report.layers_rounded, 3);
  EXPECT_GT(with, without + 0.3);
}

// Weights of both layers round in the same direction: the second one sees what the first one shifted.
TEST(FullBiasCorrection, TakesOffWhatLayersAddUp) {
  Net net(48);
  Value* x = net.relu(net.conv(net.input("x", {1, 4, 8, 8}), 32, 1, "c1"), "r1");
  x = net.relu(net.conv(x, 32, 1, "c2"), "r2");
  net.output(net.conv(x, 8, 1, "c3"));
  for (const char* name : {"c2/w", "c3/w"}) Net::round_down(net.graph, name);
  QuantizeOptions options{.bias_correction = BiasCorrection::none};
  double without = quality(net, options);
  QuantizeReport report;
  options.bias_correction = BiasCorrection::full;
  double with = quality(net, options, &report);
  EXPECT_EQ(report.biases_corrected, 3);
  EXPECT_GT(with, without + 3);
}

TEST(BatchNormStatistics, FollowWhatQuantizationShifts) {
  Net net(49);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 10, 10}), 8, 3, "c1"), "r1");
  std::vector<Value*> inputs{x};
  for (auto [name, mean] : {std::pair{"gain", 1.0F}, {"shift", 0.0F}, {"mean", 0.7F}, {"variance", 1.0F}}) {
    Tensor numbers = net.normal({8}, 0.05F, mean);
    inputs.push_back(net.graph.add_constant(name, numbers));
  }
  Value* norm = net.apply("BatchNormalization", inputs, "norm");
  net.output(net.conv(norm, 4, 1, "c2"));
  // Statistics that belong to the data, as after training.
  auto data = samples(net.graph, 32);
  SampleStream stream(net.graph, source_of(data), 32);
  ASSERT_EQ(measure_batch_norms(net.graph, reference_runner, stream, no_progress()), 1);
  QuantizeOptions options{
      .range = RangeMethod::percentile, .percentile = 90, .bias_correction = BiasCorrection::none,
      .batch_norm_statistics = false};
  double without = quality(net, options);
  options.batch_norm_statistics = true;
  QuantizeReport report;
  double with = quality(net, options, &report);
  EXPECT_EQ(report.batch_norms_measured, 1);
  EXPECT_GT(with, without + 1);
}

// A convolution whose channels differ by up to a factor of 300 in front of a depthwise one.
Net uneven_net(const std::string& activation) {
  Net net(43);
  Value* x = net.conv(net.input("x", {1, 3, 10, 10}), 8, 3, "first");
  for (const char* name : {"first/w", "first/b"}) {
    Value* value = net.graph.find_value(name);
    Tensor tensor = value->constant().clone();
    auto data = tensor.mutable_data<float>();
    for (size_t i = 0; i < data.size(); ++i)
      data[i] *= std::pow(10.0F, 2.5F * static_cast<float>(i / (data.size() / 8)) / 7 - 0.5F);
    net.graph.set_constant(value, tensor);
  }
  if (activation == "Clip") x = net.apply("Clip", {x, net.scalar(0), net.scalar(1e4F)}, "act");
  else if (activation == "Swish") x = net.apply("Mul", {x, net.apply("Sigmoid", {x}, "gate")}, "act");
  else if (!activation.empty()) x = net.apply(activation, {x}, "act");
  Value* y = net.conv(x, 8, 3, "depthwise", 8);
  Value* weights = net.graph.find_value("depthwise/w");
  Tensor tensor = weights->constant().clone();
  auto data = tensor.mutable_data<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] /= std::pow(10.0F, 2.5F * static_cast<float>(i / 9) / 7 - 0.5F);
  net.graph.set_constant(weights, tensor);
  net.output(net.conv(net.relu(y, "r2"), 4, 1, "last"));
  return net;
}

class AlignDepthwise : public testing::TestWithParam<const char*> {};

TEST_P(AlignDepthwise, KeepsResultsAndHelps) {
  Net net = uneven_net(GetParam());
  Graph aligned = net.graph.clone();
  optimize(aligned);
  std::map<std::string, int> inputs = depthwise_inputs(aligned);
  ASSERT_EQ(inputs.size(), 1u);
  auto data = samples(net.graph, 4);
  SampleStream stream(aligned, source_of(data), 4);
  Observations seen =
      observe(aligned, {{inputs.begin()->first, {.magnitude_axis = 1}}}, reference_runner, stream, no_progress());
  std::map<std::string, std::vector<float>> magnitudes{{inputs.begin()->first, seen.begin()->second.magnitudes}};
  ASSERT_EQ(align_depthwise_inputs(aligned, magnitudes), 1);
  EXPECT_GT(sqnr(net.graph, aligned, data), 100);  // the same function
  auto without = QuantizeOptions{.align_channels = false};
  QuantizeReport report;
  EXPECT_GT(quality(net, {}, &report), quality(net, without) + 3);
  EXPECT_EQ(report.depthwise_inputs_aligned, 1);
}

INSTANTIATE_TEST_SUITE_P(Activations, AlignDepthwise,
                         testing::Values("", "Relu", "Clip", "LeakyRelu", "Swish", "HardSwish"), [](const auto& info) {
                           return std::string(info.param).empty() ? "None" : std::string(info.param);
                         });

// The pairs that are aligned already are left as they are: no product in front of them.
TEST(AlignDepthwise, LeavesEvenChannelsAlone) {
  Net net(5);
  Value* x = net.apply("HardSwish", {net.conv(net.input("x", {1, 3, 8, 8}), 8, 3, "first")}, "act");
  net.output(net.conv(x, 8, 3, "depthwise", 8));
  Graph same = net.graph.clone();
  EXPECT_EQ(align_depthwise_inputs(same, {{"act", std::vector<float>(8, 3.0F)}}), 0);
  EXPECT_EQ(same.node_list().size(), net.graph.node_list().size());
}

}  // namespace
}  // namespace hone
