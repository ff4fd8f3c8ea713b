#include "quantize/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "graph/preprocess.hpp"
#include "models.hpp"
#include "quantize/samples.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;
using test::sqnr;
using testing::AllOf;
using testing::HasSubstr;

Net conv_net() {
  Net net(21);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 12, 12}), 8, 3, "c1"), "r1");
  x = net.relu(net.conv(x, 8, 3, "c2", 1, 2), "r2");
  net.output(net.head(x, 10));
  return net;
}

Net residual_net() {
  Net net(22);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 12, 12}), 8, 3, "stem"), "r0");
  for (int i = 0; i < 3; ++i) {
    std::string name = "block" + std::to_string(i);
    Value* y = net.conv(net.relu(net.conv(x, 8, 3, name + "/c1"), name + "/r1"), 8, 3, name + "/c2");
    x = net.relu(net.apply("Add", {y, x}, name + "/sum"), name + "/r2");
  }
  net.output(net.head(x, 10));
  return net;
}

Net inverted_residual_net() {
  Net net(23);
  Value* x = net.relu6(net.conv(net.input("x", {1, 3, 16, 16}), 8, 3, "stem", 1, 2), "r0");
  for (int i = 0; i < 3; ++i) {
    std::string name = "block" + std::to_string(i);
    Value* y = net.relu6(net.conv(x, 32, 1, name + "/expand"), name + "/e6");
    y = net.relu6(net.conv(y, 32, 3, name + "/depthwise", 32), name + "/d6");
    x = net.apply("Add", {net.conv(y, 8, 1, name + "/project"), x}, name + "/sum");
  }
  net.output(net.head(net.relu6(net.conv(x, 64, 1, "last"), "l6"), 10));
  return net;
}

Net squeeze_excite_net() {
  Net net(24);
  Value* x = net.apply("HardSwish", {net.conv(net.input("x", {1, 3, 12, 12}), 16, 3, "stem")}, "h0");
  Value* gate = net.relu(net.conv(net.apply("GlobalAveragePool", {x}, "squeeze"), 4, 1, "down"), "down/relu");
  gate = net.apply("HardSigmoid", {net.conv(gate, 16, 1, "up")}, "gate");
  x = net.apply("HardSwish", {net.conv(net.apply("Mul", {x, gate}, "scaled"), 16, 1, "c2")}, "h2");
  net.output(net.head(x, 10));
  return net;
}

Net concat_net() {
  Net net(25);
  Attributes window{{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}};
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 12, 12}), 8, 3, "stem"), "r0");
  x = net.apply("MaxPool", {x}, "pool", window);
  Value* squeezed = net.relu(net.conv(x, 4, 1, "squeeze"), "rs");
  Value* a = net.relu(net.conv(squeezed, 8, 1, "e1"), "re1");
  Value* b = net.relu(net.conv(squeezed, 8, 3, "e3"), "re3");
  x = net.apply("Concat", {a, b}, "cat", {{"axis", int64_t{1}}});
  net.output(net.head(net.apply("AveragePool", {x}, "average", window), 10));
  return net;
}

Graph run(const Net& net, const QuantizeOptions& options = {}, QuantizeReport* report = nullptr, int count = 24) {
  auto data = samples(net.graph, count);
  return quantize(net.graph, source_of(data), reference_runner, options, report);
}

int count(const Graph& graph, const std::string& type) {
  auto nodes = graph.node_list();
  return static_cast<int>(std::count_if(nodes.begin(), nodes.end(), [&](Node* node) { return node->is(type); }));
}

struct Model {
  const char* name;
  Net (*make)();
  double least_sqnr;
};
void PrintTo(const Model& model, std::ostream* stream) { *stream << model.name; }

const Model models[] = {{"conv", conv_net, 30},
                        {"residual", residual_net, 28},
                        {"inverted_residual", inverted_residual_net, 25},
                        {"squeeze_excite", squeeze_excite_net, 25},
                        {"concat", concat_net, 30}};

class QuantizeModel : public testing::TestWithParam<Model> {};

TEST_P(QuantizeModel, IsCloseToFp32) {
  Net net = GetParam().make();
  for (RangeMethod range : range_methods())
    for (ActivationScheme scheme : {ActivationScheme::asymmetric, ActivationScheme::symmetric}) {
      QuantizeOptions options{.range = range, .activations = scheme};
      Graph quantized = run(net, options);
      double quality = sqnr(net.graph, quantized, samples(net.graph, 16, 99));
      // These two cut tails off on purpose, and noise is nearly all tail.
      bool cuts = range == RangeMethod::mean_min_max || range == RangeMethod::entropy;
      EXPECT_GT(quality, GetParam().least_sqnr - (cuts ? 8 : 0))
          << static_cast<int>(range) << " " << static_cast<int>(scheme);
    }
}

// What ONNX Runtime and others want of QDQ: scalar activation scales, i8 weights with zero point 0, i32 biases whose
// scale is the product of the other two.
TEST_P(QuantizeModel, IsStandardQdq) {
  Net net = GetParam().make();
  Graph quantized = run(net);
  quantized.infer();
  int layers = 0;
  for (Node* node : quantized.node_list()) {
    if (node->is("QuantizeLinear")) {
      ASSERT_EQ(node->inputs().size(), 3u);
      EXPECT_EQ(node->input(1)->constant().rank(), 0);
      EXPECT_EQ(node->input(2)->dtype(), DType::u8);
      for (const Use& use : node->output()->uses()) EXPECT_TRUE(use.node->is("DequantizeLinear"));
    }
    if (!node->is("Conv") && !node->is("Gemm")) continue;
    ++layers;
    for (Value* input : node->inputs()) {
      ASSERT_TRUE(input->producer()) << input->name;
      ASSERT_TRUE(input->producer()->is("DequantizeLinear")) << input->name;
    }
    const Node &x = *node->input(0)->producer(), &w = *node->input(1)->producer(), &b = *node->input(2)->producer();
    EXPECT_EQ(w.input(0)->dtype(), DType::i8);
    EXPECT_EQ(w.input(1)->constant().size(), w.input(0)->constant().dim(0));
    for (int64_t zero : w.input(2)->constant().to_ints()) EXPECT_EQ(zero, 0);
    EXPECT_EQ(b.input(0)->dtype(), DType::i32);
    auto weight_scales = w.input(1)->constant().to_floats(), bias_scales = b.input(1)->constant().to_floats();
    ASSERT_EQ(bias_scales.size(), weight_scales.size());
    float input_scale = x.input(1)->constant().to_floats()[0];
    for (size_t i = 0; i < bias_scales.size(); ++i) EXPECT_EQ(bias_scales[i], input_scale * weight_scales[i]);
  }
  EXPECT_GE(layers, 3);
}

TEST_P(QuantizeModel, IsDeterministicAndLeavesItsInputAlone) {
  Net net = GetParam().make();
  size_t nodes = net.graph.nodes().size();
  Graph first = run(net), second = run(net);
  EXPECT_EQ(net.graph.nodes().size(), nodes);
  EXPECT_EQ(count(net.graph, "QuantizeLinear"), 0);
  auto a = first.node_list(), b = second.node_list();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i]->name, b[i]->name);
    EXPECT_TRUE(same_op(a[i]->op(), b[i]->op()));
    for (size_t j = 0; j < a[i]->inputs().size(); ++j) {
      const Value *left = a[i]->input(j), *right = b[i]->input(j);
      ASSERT_EQ(left == nullptr, right == nullptr);
      if (!left) continue;
      EXPECT_EQ(left->name, right->name);
      if (left->is_constant()) {
        EXPECT_TRUE(identical(left->constant(), right->constant())) << left->name;
      }
    }
  }
}

TEST_P(QuantizeModel, IsRefusedASecondTime) {
  Net net = GetParam().make();
  Graph quantized = run(net);
  auto data = samples(net.graph, 2);
  try {
    quantize(quantized, source_of(data), reference_runner);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("already quantized"));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, QuantizeModel, testing::ValuesIn(models),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Quantize, ReportSaysWhatBecameOfEachNode) {
  QuantizeReport report;
  Net net = residual_net();
  Graph quantized = run(net, {.subset_size = 10}, &report);
  EXPECT_EQ(report.samples, 10);
  EXPECT_GE(report.seconds, 0);
  EXPECT_EQ(report.nodes.size(), net.graph.nodes().size());
  EXPECT_TRUE(std::all_of(report.nodes.begin(), report.nodes.end(), [](auto& node) { return node.quantized; }));
  EXPECT_EQ(report.values.size(), static_cast<size_t>(count(quantized, "QuantizeLinear")));
  EXPECT_EQ(report.biases_corrected, 8);
  auto relu = std::find_if(report.values.begin(), report.values.end(), [](auto& v) { return v.name == "block1/r2"; });
  ASSERT_NE(relu, report.values.end());
  EXPECT_EQ(relu->min, 0);
  EXPECT_EQ(relu->quant.zero_point, 0);
  EXPECT_GT(relu->range.high, 0.5 * relu->max);
}

TEST(Quantize, LogitsStayFp32AndInputsKeepTheirType) {
  Graph quantized = run(conv_net());
  EXPECT_TRUE(quantized.outputs()[0].value->producer()->is("Gemm"));
  EXPECT_EQ(quantized.outputs()[0].name, "y");
  EXPECT_EQ(quantized.inputs()[0]->dtype(), DType::f32);
}

TEST(Quantize, FeatureOutputOfAnInt8NodeIsItsDequantizedForm) {
  Net net(31);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 8, 3, "c1"), "r1");
  net.output(x, "features");
  net.output(net.conv(x, 4, 1, "c2"), "y");
  Graph quantized = run(net);
  EXPECT_TRUE(quantized.outputs()[0].value->producer()->is("DequantizeLinear"));
  EXPECT_EQ(quantized.outputs()[0].name, "features");
  EXPECT_GT(sqnr(net.graph, quantized, samples(net.graph, 4)), 30);
}

TEST(Quantize, SymmetricUsesSignedTypesWithoutZeroPoints) {
  QuantizeReport report;
  run(squeeze_excite_net(), {.activations = ActivationScheme::symmetric}, &report);
  std::set<DType> types;
  for (const ValueReport& value : report.values) {
    EXPECT_EQ(value.quant.zero_point, 0) << value.name;
    types.insert(value.quant.dtype);
  }
  EXPECT_EQ(types, (std::set<DType>{DType::u8, DType::i8}));
}

TEST(Quantize, ProductOfTwoActivationsAndOtherLayers) {
  Net net(32);
  Value* x = net.input("x", {2, 8, 6});
  Value* q = net.apply("MatMul", {x, net.graph.add_constant("wq", net.normal({6, 6}, 0.4F))}, "q");
  Value* k = net.apply("MatMul", {x, net.graph.add_constant("wk", net.normal({6, 6}, 0.4F))}, "k");
  k = net.apply("Transpose", {k}, "kt", {{"perm", std::vector<int64_t>{0, 2, 1}}});
  Value* p = net.apply("Softmax", {net.apply("MatMul", {q, k}, "scores")}, "p", {{"axis", int64_t{-1}}});
  net.output(net.apply("MatMul", {p, x}, "mixed"));
  QuantizeReport report;
  Graph quantized = run(net, {}, &report);
  EXPECT_GT(sqnr(net.graph, quantized, samples(net.graph, 8)), 25);
  auto kt = std::find_if(report.values.begin(), report.values.end(), [](auto& v) { return v.name == "kt"; });
  ASSERT_NE(kt, report.values.end());
  EXPECT_EQ(kt->quant.dtype, DType::i8);
}

TEST(Quantize, TransposedConvolutionInGroups) {
  Net net(33);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 6, 6}), 4, 3, "c1"), "r1");
  Value* w = net.graph.add_constant("w", net.normal({4, 3, 2, 2}, 0.3F));
  Value* b = net.graph.add_constant("b", net.normal({6}, 0.3F));
  Attributes attributes{{"group", int64_t{2}}, {"strides", std::vector<int64_t>{2, 2}}};
  net.output(net.apply("ConvTranspose", {x, w, b}, "up", attributes));
  Graph quantized = run(net);
  EXPECT_GT(sqnr(net.graph, quantized, samples(net.graph, 8)), 30);
}

TEST(Quantize, ImagesOfAnySizeThroughAttachedPreprocessing) {
  Net net = conv_net();
  attach_preprocess(net.graph, {.height = 12, .width = 12, .mean = {127, 127, 127}, .std = {60, 60, 60}});
  std::vector<std::vector<Tensor>> data;
  for (int64_t i = 0; i < 6; ++i) {
    Tensor noise = net.normal({1, 10 + i, 14 - i, 3}, 60, 127);
    data.push_back({noise.cast(DType::u8)});
  }
  QuantizeReport report;
  Graph quantized = quantize(net.graph, source_of(data), reference_runner, {}, &report);
  EXPECT_EQ(report.samples, 6);
  EXPECT_EQ(quantized.inputs()[0]->dtype(), DType::u8);
  EXPECT_EQ(quantized.metadata.erase(scaled_channels_key), report.tied_channels_aligned > 0 ? 1u : 0u);
  EXPECT_EQ(quantized.metadata, net.graph.metadata);
  EXPECT_GT(sqnr(net.graph, quantized, data), 25);
  for (const NodeReport& node : report.nodes) {
    bool layer = node.op == "Conv" || node.op == "Gemm";
    if (layer || node.op == "Resize" || node.op == "Cast") {
      EXPECT_EQ(node.quantized, layer) << node.name;
    }
  }
}

// Weights of the layer round in the same direction, and its inputs are positive: the errors add up to a shift.
TEST(Quantize, BiasCorrectionRemovesAShift) {
  Net net(34);
  Value* x = net.relu(net.conv(net.input("x", {1, 4, 8, 8}), 32, 1, "c1"), "r1");
  Value* y = net.conv(x, 8, 1, "c2");
  Net::round_down(net.graph, "c2/w");
  net.output(y);
  auto data_set = samples(net.graph, 16);
  auto quality = [&](bool correction) {
    QuantizeOptions options{.bias_correction = correction ? BiasCorrection::fast : BiasCorrection::none,
                            .error_feedback = false};  // which would not let errors add up
    return sqnr(net.graph, quantize(net.graph, source_of(data_set), reference_runner, options), data_set);
  };
  double without = quality(false), with = quality(true);
  EXPECT_GT(with, without + 3);
}

// Weights that round down, and inputs whose sign differs between the samples that corrections see and those held out:
// there, the correction has the wrong sign.
TEST(Quantize, WhatIsLeftOpenIsDecidedOnHeldOutSamples) {
  Net net(36);
  net.output(net.conv(net.input("x", {1, 32, 6, 6}), 8, 1, "c"));
  Net::round_down(net.graph, "c/w");
  auto data = samples(net.graph, 24);
  for (size_t s = 0; s < 24; ++s)
    for (float& x : data[s][0].mutable_data<float>()) x = s < 18 ? std::fabs(x) : -std::fabs(x);
  QuantizeReport odd, even;
  quantize(net.graph, source_of(data), reference_runner, {.range = RangeMethod::min_max}, &odd);
  EXPECT_EQ(odd.tried.size(), 3u);
  EXPECT_EQ(odd.bias_correction, BiasCorrection::none);
  EXPECT_GT(odd.tried[1].sqnr_db, odd.tried[0].sqnr_db + 3);
  for (size_t s = 18; s < 24; ++s)
    for (float& x : data[s][0].mutable_data<float>()) x = -x;
  quantize(net.graph, source_of(data), reference_runner, {}, &even);
  EXPECT_EQ(even.tried.size(), 5u) << "three ranges, the best of them without bias correction, and without feedback";
  EXPECT_EQ(even.bias_correction, BiasCorrection::fast);
}

TEST(Quantize, NothingIsTriedWithFewSamplesOrWhenAllIsSaid) {
  Net net = conv_net();
  QuantizeReport few, said;
  run(net, {}, &few, 15);
  EXPECT_TRUE(few.tried.empty());
  EXPECT_EQ(few.range, RangeMethod::min_max);
  EXPECT_EQ(few.bias_correction, BiasCorrection::fast);
  run(net, {.range = RangeMethod::entropy, .bias_correction = BiasCorrection::none}, &said);
  EXPECT_TRUE(said.tried.empty());
  EXPECT_EQ(said.range, RangeMethod::entropy);
  EXPECT_EQ(said.biases_corrected, 0);
}

TEST(Quantize, AQuarterOfTheKeptSamplesIsHeldOut) {
  Net net = conv_net();
  auto data = samples(net.graph, 100);
  CalibrationSource source = source_of(data), few = source_of(data);
  SampleStream stream(net.graph, source, 90);
  EXPECT_EQ(stream.kept().size(), 48u);
  EXPECT_EQ(stream.held_out().size(), 16u);
  int all = 0, held_out = 0;
  std::vector<Tensor> inputs;
  for (stream.rewind(); stream.next(inputs); ++all) held_out += stream.gave_held_out();
  EXPECT_EQ(all, 90) << "ranges see all of them";
  EXPECT_EQ(held_out, 16);
  EXPECT_TRUE(SampleStream(net.graph, few, 15).held_out().empty());
}

// ---- errors ----

std::string failure(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Quantize, ASourceThatEndedIsNotAskedAgain) {
  Net net = conv_net();
  auto data = samples(net.graph, 4);
  int asked = 0;
  CalibrationSource source = [&](std::vector<Tensor>& tensors) {
    EXPECT_LE(++asked, 5);  // four samples, and the end
    tensors = data[static_cast<size_t>(asked - 1) % 4];
    return asked % 5 != 0;
  };
  quantize(net.graph, source, reference_runner);
  EXPECT_EQ(asked, 5);
}

TEST(QuantizeErrors, NoCalibrationData) {
  EXPECT_THAT(failure([] { run(conv_net(), {}, nullptr, 0); }), HasSubstr("no calibration data"));
}

TEST(QuantizeErrors, CalibrationTensorOfTheWrongShapeTypeOrNumber) {
  Net net = conv_net();
  auto with = [&](std::vector<Tensor> sample) {
    return failure([&] {
      std::vector<std::vector<Tensor>> data{std::move(sample)};
      quantize(net.graph, source_of(data), reference_runner);
    });
  };
  EXPECT_THAT(with({Tensor::zeros(DType::f32, {1, 3, 10, 12})}),
              AllOf(HasSubstr("input 'x'"), HasSubstr("f32[1, 3, 10, 12]"), HasSubstr("expected f32[1, 3, 12, 12]")));
  EXPECT_THAT(with({Tensor::zeros(DType::u8, {1, 3, 12, 12})}), HasSubstr("u8[1, 3, 12, 12]"));
  EXPECT_THAT(with({}), HasSubstr("has 0 tensors, the model has 1 inputs"));
  EXPECT_THAT(with({Tensor()}), HasSubstr("no tensor for input 'x'"));
}

TEST(QuantizeErrors, NaNInWeightsAndActivations) {
  Net net = conv_net();
  Tensor weights = net.normal({8, 8, 3, 3}, 1);
  weights.mutable_data<float>()[5] = NAN;
  net.graph.set_constant(net.graph.find_value("c2/w"), weights);
  EXPECT_THAT(failure([&] { run(net); }), AllOf(HasSubstr("conv 'c2'"), HasSubstr("NaN at element 5")));

  Net fine = conv_net();
  auto data = samples(fine.graph, 3);
  data[1][0].mutable_data<float>()[7] = INFINITY;
  EXPECT_THAT(failure([&] { quantize(fine.graph, source_of(data), reference_runner); }),
              AllOf(HasSubstr("input 'x'"), HasSubstr("calibration sample 2")));

  Net overflow = conv_net();
  overflow.graph.set_constant(overflow.graph.find_value("c1/w"), overflow.normal({8, 3, 3, 3}, 3e37F));
  EXPECT_THAT(failure([&] { run(overflow); }), HasSubstr("'r1': yields NaN or infinity for calibration sample 1"));
}

TEST(QuantizeErrors, NothingToQuantize) {
  Net net;
  net.output(net.apply("Softmax", {net.relu(net.input("x", {1, 4}), "r")}, "p"));
  EXPECT_THAT(failure([&] { run(net); }),
              AllOf(HasSubstr("nothing in the model"), HasSubstr("Softmax has no int8 form")));
  EXPECT_THAT(failure([] { run(conv_net(), {.ignored_op_types = {"Conv", "Gemm"}}); }),
              HasSubstr("ignored on request"));
}

TEST(QuantizeErrors, IgnoredNameThatMatchesNothing) {
  EXPECT_THAT(failure([] { run(conv_net(), {.ignored_nodes = {"c3"}}); }), AllOf(HasSubstr("'c3'"), HasSubstr("'c1'")));
}

TEST(QuantizeErrors, OptionsOutOfRange) {
  EXPECT_THAT(failure([] { run(conv_net(), {.percentile = 40}); }), HasSubstr("percentile is 40"));
  EXPECT_THAT(failure([] { run(conv_net(), {.percentile = NAN}); }), HasSubstr("percentile is nan"));
  EXPECT_THAT(failure([] { run(conv_net(), {.subset_size = 0}); }), HasSubstr("subset size is 0"));
}

TEST(QuantizeErrors, CtrlCStopsCalibration) {
  request_interrupt();
  EXPECT_THROW(run(conv_net()), Interrupted);
  clear_interrupt();
}

}  // namespace
}  // namespace hone
