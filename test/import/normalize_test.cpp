#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/verify.hpp"
#include "graph_checks.hpp"
#include "import/onnx/normalize.hpp"
#include "import/onnx_builder.hpp"

// Every line of the table of opset conversions: what an older file means is what the graph computes.
namespace hone {
namespace {

using namespace testing_tools;
using testing::HasSubstr;
using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

/// A model of one node with inputs x (of `shape`) and further initializers, and as many outputs as named.
struct OneNode {
  int64_t opset;
  OnnxNode node;
  Dims shape;
  std::vector<std::pair<std::string, Tensor>> constants = {};
  DType dtype = DType::f32;

  OnnxBuilder builder() const {
    OnnxBuilder model(opset);
    model.input("x", Shape(shape), dtype);
    for (auto& [name, tensor] : constants) model.initializer(name, tensor);
    for (const std::string& output : node.outputs)
      if (!output.empty()) model.output(output);
    return model.node(node);
  }
  Graph import() const {
    Graph graph = builder().import();
    verify(graph);
    return graph;
  }
  std::string error() const {
    return error_of([&] { builder().import(); });
  }
  Tensor run(const Tensor& x) const { return evaluate(import(), std::vector<Tensor>{x})[0]; }
  Floats run(const Floats& x) const { return run(Tensor::of<float>(shape, x)).to_floats(); }
};

Floats counting(int64_t count) {
  Floats values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
  return values;
}

TEST(Normalize, ClipBoundsBecomeInputs) {
  OneNode clip{7, {"Clip", {"x"}, {"y"}, {{"min", -1.f}, {"max", 2.f}}}, {4}};
  EXPECT_EQ(clip.run({-5, 0, 1, 9}), (Floats{-1, 0, 1, 2}));
  clip.opset = 10;
  clip.node.attributes = {{"max", 2.f}};
  EXPECT_EQ(clip.run({-5, 0, 1, 9}), (Floats{-5, 0, 1, 2}));
  clip.node.attributes = {{"min", -3.4028234663852886e38f}, {"max", 3.4028234663852886e38f}};
  EXPECT_EQ(clip.import().nodes().front()->inputs().size(), 1u) << "the defaults of opset 6 bound nothing";
  clip.node.attributes = {{"min", int64_t{0}}};
  EXPECT_EQ(clip.run({-5, 0, 1, 9}), (Floats{0, 0, 1, 9}));
  clip.node.attributes = {{"min", std::string("low")}};
  EXPECT_THAT(clip.error(), HasSubstr("clip 'n': attribute 'min' is \"low\", expected a number"));
}

TEST(Normalize, ClipBoundsHaveTheTypeOfTheInput) {
  OneNode clip{7, {"Clip", {"x"}, {"y"}, {{"min", 0.f}}}, {2}, {}, DType::f16};
  EXPECT_EQ(clip.import().nodes().front()->input(1)->dtype(), DType::f16);
}

TEST(Normalize, DropoutRatioBecomesAnInput) {
  OneNode dropout{7, {"Dropout", {"x"}, {"y", "mask"}, {{"ratio", 0.25f}}}, {2}};
  OnnxBuilder model(7);
  model.input("x", Shape{2}).output("y").node(dropout.node);
  Graph graph = model.import();
  const Node& node = *graph.nodes().front();
  EXPECT_EQ(node.outputs().size(), 1u) << "a mask that nobody reads goes";
  EXPECT_EQ(node.input(1)->constant().scalar_as_double(), 0.25);
  EXPECT_EQ(evaluate(graph, std::vector<Tensor>{Tensor::of<float>({2}, {1, 2})})[0].to_floats(), (Floats{1, 2}));
}

TEST(Normalize, PadAmountsBecomeInputs) {
  OneNode pad{
      10, {"Pad", {"x"}, {"y"}, {{"pads", Ints{1, 2}}, {"value", 7.f}, {"mode", std::string("constant")}}}, {2}};
  EXPECT_EQ(pad.run({1, 2}), (Floats{7, 1, 2, 7, 7}));
  pad.node.attributes = {{"pads", Ints{1, 1}}, {"mode", std::string("edge")}};
  EXPECT_EQ(pad.run({1, 2}), (Floats{1, 1, 2, 2}));
  pad.node.attributes = {};
  EXPECT_THAT(pad.error(), HasSubstr("pad 'n': has no attribute 'pads'"));
}

TEST(Normalize, ReduceAxesBecomeInputs) {
  const std::pair<const char*, Floats> cases[] = {
      {"ReduceL1", {6, 15}},
      {"ReduceL2", {std::sqrt(14.f), std::sqrt(77.f)}},
      {"ReduceLogSum", {std::log(6.f), std::log(15.f)}},
      {"ReduceLogSumExp", {3.407606f, 6.407606f}},
      {"ReduceMax", {3, 6}},
      {"ReduceMean", {2, 5}},
      {"ReduceMin", {1, 4}},
      {"ReduceProd", {6, 120}},
      {"ReduceSumSquare", {14, 77}},
      {"ReduceSum", {6, 15}},
  };
  for (auto& [op, expected] : cases) {
    OneNode reduce{12, {op, {"x"}, {"y"}, {{"axes", Ints{1}}, {"keepdims", int64_t{0}}}}, {2, 3}};
    Tensor y = reduce.run(Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
    expect_near(y, Tensor::of<float>({2}, expected), 1e-5, 0, op);
    reduce.node.attributes = {};
    EXPECT_EQ(reduce.import().outputs()[0].value->shape(), (Shape{1, 1})) << op << " without axes reduces all";
  }
  OneNode later{17, {"ReduceMax", {"x"}, {"y"}, {{"axes", Ints{-1}}}}, {2, 3}};
  EXPECT_EQ(later.run({1, 2, 3, 4, 5, 6}), (Floats{3, 6}));
}

TEST(Normalize, SliceBoundsBecomeInputs) {
  OneNode slice{9, {"Slice", {"x"}, {"y"}, {{"starts", Ints{1}}, {"ends", Ints{3}}, {"axes", Ints{1}}}}, {1, 4}};
  EXPECT_EQ(slice.run({1, 2, 3, 4}), (Floats{2, 3}));
  slice.node.attributes = {{"starts", Ints{0, 2}}, {"ends", Ints{1, 9}}};
  EXPECT_EQ(slice.run({1, 2, 3, 4}), (Floats{3, 4}));
  slice.node.attributes = {{"starts", Ints{0}}};
  EXPECT_THAT(slice.error(), HasSubstr("has no attributes 'starts' and 'ends'"));
}

TEST(Normalize, SplitSizesBecomeAnInput) {
  OneNode split{11, {"Split", {"x"}, {"a", "b"}, {{"split", Ints{1, 3}}, {"axis", int64_t{0}}}}, {4}};
  Graph graph = split.import();
  auto parts = evaluate(graph, std::vector<Tensor>{Tensor::of<float>({4}, {1, 2, 3, 4})});
  EXPECT_EQ(parts[0].to_floats(), (Floats{1}));
  EXPECT_EQ(parts[1].to_floats(), (Floats{2, 3, 4}));
  split.node.attributes = {};
  EXPECT_EQ(split.run({1, 2, 3, 4}), (Floats{1, 2})) << "equal parts without the attribute";
}

TEST(Normalize, SplitKeepsUnusedOutputs) {
  OneNode split{13, {"Split", {"x"}, {"a", "b"}}, {4}};
  OnnxBuilder model(13);
  model.input("x", Shape{4}).output("a").node(split.node);
  EXPECT_EQ(model.import().outputs()[0].value->shape(), (Shape{2}));
}

TEST(Normalize, SqueezeAndUnsqueezeAxesBecomeInputs) {
  OneNode squeeze{11, {"Squeeze", {"x"}, {"y"}, {{"axes", Ints{0}}}}, {1, 2, 1}};
  EXPECT_EQ(squeeze.import().outputs()[0].value->shape(), (Shape{2, 1}));
  squeeze.node.attributes = {};
  EXPECT_EQ(squeeze.import().outputs()[0].value->shape(), (Shape{2}));
  OneNode unsqueeze{11, {"Unsqueeze", {"x"}, {"y"}, {{"axes", Ints{0, 3}}}}, {2, 3}};
  EXPECT_EQ(unsqueeze.import().outputs()[0].value->shape(), (Shape{1, 2, 3, 1}));
  unsqueeze.node.attributes = {};
  EXPECT_THAT(unsqueeze.error(), HasSubstr("unsqueeze 'n': has no attribute 'axes'"));
}

TEST(Normalize, TopKCountBecomesAnInput) {
  OneNode top{9, {"TopK", {"x"}, {"values", "indices"}, {{"k", int64_t{2}}, {"axis", int64_t{0}}}}, {4}};
  EXPECT_EQ(top.run({3, 9, 1, 7}), (Floats{9, 7}));
  top.node.attributes = {};
  EXPECT_THAT(top.error(), HasSubstr("has no attribute 'k'"));
}

/// Softmax as opset 12 defines it: rows of a matrix that begins at `axis`.
Tensor flat_softmax(const Tensor& x, int64_t axis) {
  int64_t rows = 1;
  for (int64_t i = 0; i < axis; ++i) rows *= x.dim(static_cast<int>(i));
  int64_t width = x.size() / rows;
  Tensor y(DType::f32, x.dims());
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = x.data<float>().data() + row * width;
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += std::exp(double{in[i]});
    for (int64_t i = 0; i < width; ++i)
      y.mutable_data<float>()[row * width + i] = static_cast<float>(std::exp(double{in[i]}) / sum);
  }
  return y;
}

TEST(Normalize, SoftmaxFlattensBeforeOpset13) {
  struct Case {
    Dims shape;
    std::optional<int64_t> axis;
    size_t nodes;  ///< 1 where the axis alone says it
  };
  for (const Case& c : std::vector<Case>{{{2, 5}, {}, 1},
                                         {{2, 3, 4}, {}, 3},
                                         {{2, 3, 4}, 2, 1},
                                         {{2, 3, 4}, -1, 1},
                                         {{2, 3, 4}, 0, 3},
                                         {{2, 6, 1, 1}, 1, 1},
                                         {{2, 1, 6, 1}, {}, 1},
                                         {{2, 3, 4}, -2, 3}}) {
    for (int64_t opset : {1, 11}) {  // the Reshape it becomes is no Reshape of opset 1, with its attribute
      OneNode softmax{opset, {"Softmax", {"x"}, {"y"}}, c.shape};
      if (c.axis) softmax.node.attributes["axis"] = *c.axis;
      int64_t axis = c.axis.value_or(1);
      Tensor x = random_tensor(DType::f32, c.shape, 5);
      expect_near(softmax.run(x), flat_softmax(x, axis < 0 ? axis + static_cast<int64_t>(c.shape.size()) : axis), 1e-5,
                  1e-7, to_string(c.shape));
      EXPECT_EQ(softmax.import().nodes().size(), c.nodes) << to_string(c.shape);
    }
  }
}

TEST(Normalize, SoftmaxOfSymbolicSizes) {
  OnnxBuilder model(11);
  model.input("x", Shape{Dim::named("N"), 3, Dim::named("L")}).output("y").node({"Softmax", {"x"}, {"y"}});
  Graph graph = model.import();
  Tensor x = random_tensor(DType::f32, {2, 3, 4}, 6);
  expect_near(evaluate(graph, std::vector<Tensor>{x})[0], flat_softmax(x, 1), 1e-5, 1e-7);
  EXPECT_EQ(to_string(graph.outputs()[0].value->shape()), "[N, 3, L]");
}

TEST(Normalize, LogSoftmaxAndHardmaxFlattenToo) {
  OneNode log{12, {"LogSoftmax", {"x"}, {"y"}}, {1, 2, 2}};
  Floats y = log.run({0, 0, 0, 0});
  EXPECT_NEAR(y[0], std::log(0.25), 1e-6);
  OneNode hard{12, {"Hardmax", {"x"}, {"y"}}, {1, 2, 2}};
  EXPECT_EQ(hard.run({1, 4, 3, 2}), (Floats{0, 1, 0, 0}));
  OneNode wrong{12, {"Softmax", {"x"}, {"y"}, {{"axis", int64_t{9}}}}, {1, 2}};
  EXPECT_THAT(wrong.error(), HasSubstr("softmax 'n': has axis 9 for an input of 2 dimensions"));
}

TEST(Normalize, SoftmaxOfOpset13IsLeftAlone) {
  OneNode softmax{13, {"Softmax", {"x"}, {"y"}}, {2, 3, 4}};
  EXPECT_EQ(softmax.import().nodes().size(), 1u);
}

TEST(Normalize, UpsampleBecomesResize) {
  OneNode seven{
      7, {"Upsample", {"x"}, {"y"}, {{"scales", Floats{1, 1, 1, 2}}, {"mode", std::string("nearest")}}}, {1, 1, 1, 3}};
  EXPECT_EQ(seven.run({1, 2, 3}), (Floats{1, 1, 2, 2, 3, 3}));
  OneNode nine{9, {"Upsample", {"x", "s"}, {"y"}, {{"mode", std::string("linear")}}}, {1, 1, 1, 2}};
  nine.constants = {{"s", Tensor::of<float>({4}, {1, 1, 1, 2})}};
  EXPECT_EQ(nine.run({0, 4}), (Floats{0, 2, 4, 4})) << "asymmetric coordinates";
  const auto* resize = nine.import().nodes().front()->as<ops::Resize>();
  ASSERT_NE(resize, nullptr);
  OneNode none{9, {"Upsample", {"x"}, {"y"}}, {1, 1, 1, 2}};
  EXPECT_THAT(none.error(), HasSubstr("has neither an input nor an attribute 'scales'"));
}

TEST(Normalize, ResizeOfOpset10IsAsymmetric) {
  OneNode grow{10, {"Resize", {"x", "s"}, {"y"}, {{"mode", std::string("nearest")}}}, {1, 1, 1, 3}};
  grow.constants = {{"s", Tensor::of<float>({4}, {1, 1, 1, 1.7f})}};
  EXPECT_EQ(grow.run({1, 2, 3}), (Floats{1, 1, 2, 2, 3})) << "floor(i / 1.7)";
  OneNode shrink = grow;
  shrink.shape = {1, 1, 1, 4};
  shrink.constants = {{"s", Tensor::of<float>({4}, {1, 1, 1, 0.6f})}};
  EXPECT_EQ(shrink.run({1, 2, 3, 4}), (Floats{1, 3})) << "ceil(i / 0.6)";
}

TEST(Normalize, EmptyResizeInputsAreAbsent) {
  OneNode resize{
      11, {"Resize", {"x", "roi", "scales", "sizes"}, {"y"}, {{"mode", std::string("nearest")}}}, {1, 1, 1, 2}};
  resize.constants = {{"roi", Tensor(DType::f32, {0})},
                      {"scales", Tensor(DType::f32, {0})},
                      {"sizes", Tensor::of<int64_t>({4}, {1, 1, 1, 4})}};
  Graph graph = resize.import();
  EXPECT_EQ(graph.nodes().front()->input(1), nullptr);
  EXPECT_EQ(graph.nodes().front()->input(2), nullptr);
  EXPECT_EQ(graph.outputs()[0].value->shape(), (Shape{1, 1, 1, 4}));
}

TEST(Normalize, BatchNormalizationOfOldOpsets) {
  Tensor one = Tensor::of<float>({2}, {1, 1}), zero = Tensor::of<float>({2}, {0, 0});
  OneNode norm{
      7, {"BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"}, {{"epsilon", 0.f}, {"spatial", int64_t{1}}}}, {1, 2}};
  norm.constants = {{"s", one}, {"b", one}, {"m", zero}, {"v", one}};
  EXPECT_EQ(norm.run({3, 4}), (Floats{4, 5}));
  OnnxBuilder training = norm.builder();
  norm.node.outputs = {"y", "m2", "v2", "sm", "sv"};
  OnnxBuilder model(9);
  model.input("x", Shape{1, 2}).output("y").node(norm.node);
  for (auto& [name, tensor] : norm.constants) model.initializer(name, tensor);
  EXPECT_EQ(model.import().nodes().front()->outputs().size(), 1u) << "unread statistics go";
  norm.node.outputs = {"y"};
  norm.node.attributes["spatial"] = int64_t{0};
  EXPECT_THAT(norm.error(), HasSubstr("batchNormalization 'n': has spatial = 0"));
}

TEST(Normalize, BatchNormalizationInTrainingModeHasItsThreeOutputs) {
  Tensor one = Tensor::of<float>({1}, {1}), zero = Tensor::of<float>({1}, {0});
  Attributes attributes{{"epsilon", 0.f}, {"training_mode", int64_t{1}}, {"momentum", 0.5f}};
  OneNode norm{15, {"BatchNormalization", {"x", "s", "b", "m", "v"}, {"y", "m2", "v2"}, attributes}, {2, 1}};
  norm.constants = {{"s", one}, {"b", one}, {"m", zero}, {"v", one}};
  std::vector<Tensor> outputs = evaluate(norm.import(), std::vector<Tensor>{Tensor::of<float>({2, 1}, {2, 6})});
  EXPECT_EQ(outputs[0].to_floats(), (Floats{0, 2}));
  EXPECT_EQ(outputs[1].to_floats(), (Floats{2}));    // 0 * 0.5 + 4 * 0.5
  EXPECT_EQ(outputs[2].to_floats(), (Floats{2.5}));  // 1 * 0.5 + 4 * 0.5
  norm.node.outputs = {"y"};
  EXPECT_EQ(norm.run({2, 6}), (Floats{0, 2}));
}

TEST(Normalize, OpsOfOpsets1To6) {
  OneNode concat{3, {"Concat", {"x", "x"}, {"y"}}, {1, 2}};
  EXPECT_EQ(concat.import().outputs()[0].value->shape(), (Shape{1, 4}));
  OneNode reshape{1, {"Reshape", {"x"}, {"y"}, {{"shape", Ints{2, -1}}, {"consumed_inputs", Ints{0}}}}, {4}};
  EXPECT_EQ(reshape.import().outputs()[0].value->shape(), (Shape{2, 2}));
  reshape.node.attributes.clear();
  EXPECT_THAT(reshape.error(), HasSubstr("has no attribute 'shape'"));
  OneNode prelu{6, {"PRelu", {"x", "slope"}, {"y"}}, {1, 2, 2}, {{"slope", Tensor::of<float>({2}, {10, 100})}}};
  EXPECT_EQ(prelu.run({-1, 2, -3, 4}), (Floats{-10, 2, -300, 4}));
  prelu.constants[0].second = Tensor::of<float>({1}, {5});
  EXPECT_EQ(prelu.run({-1, 2, -3, 4}), (Floats{-5, 2, -15, 4}));
  OneNode tile{1, {"Tile", {"x", "tiles", "axis"}, {"y"}}, {1, 2}};
  tile.constants = {{"tiles", Tensor::scalar(2.0f)}, {"axis", Tensor::scalar(1.0f)}};
  EXPECT_EQ(tile.run({1, 2}), (Floats{1, 2, 1, 2}));
  tile.constants[1].second = Tensor::scalar(2.0f);
  EXPECT_THAT(tile.error(), HasSubstr("has axis 2 for an input of 2 dimensions"));
  OneNode upsample{1, {"Upsample", {"x"}, {"y"}, {{"height_scale", 1.f}, {"width_scale", 2.f}}}, {1, 1, 1, 2}};
  EXPECT_EQ(upsample.run({1, 2}), (Floats{1, 1, 2, 2}));
  OneNode split{1, {"Split", {"x", "sizes"}, {"a", "b"}}, {3}, {{"sizes", Tensor::of<float>({2}, {1, 2})}}};
  EXPECT_EQ(split.run({1, 2, 3}), (Floats{1}));
}

TEST(Normalize, FlagsOfOpset6AreKnown) {
  std::vector<std::string> messages;
  set_log_sink([&](LogLevel, const std::string& text) { messages.push_back(text); });
  OneNode gemm{6, {"Gemm", {"x", "w", "c"}, {"y"}, {{"broadcast", int64_t{1}}}}, {1, 2}};
  gemm.constants = {{"w", Tensor::of<float>({2, 2}, {1, 2, 3, 4})}, {"c", Tensor::of<float>({2}, {10, 20})}};
  EXPECT_EQ(gemm.run({1, 1}), (Floats{14, 26}));
  OneNode rnn{6, {"RNN", {"x", "w", "r"}, {"y"}, {{"output_sequence", int64_t{1}}, {"hidden_size", int64_t{1}}}}};
  rnn.shape = {1, 1, 1};
  rnn.constants = {{"w", Tensor::of<float>({1, 1, 1}, {0})}, {"r", Tensor::of<float>({1, 1, 1}, {0})}};
  EXPECT_EQ(rnn.run({3}), (Floats{0}));
  set_log_sink([](LogLevel, const std::string&) {});
  EXPECT_THAT(messages, testing::IsEmpty());
}

TEST(Normalize, SwishOfOpset24) {
  OneNode swish{24, {"Swish", {"x"}, {"y"}}, {2}};
  EXPECT_NEAR(swish.run({0, 1})[1], 0.7310586f, 1e-6f);
  swish.node.attributes["alpha"] = 2.f;
  EXPECT_NEAR(swish.run({0, 1})[1], 0.8807971f, 1e-6f);
}

// swish(1) = 0.73105858, swish(1 / 2 of 1) by alpha = 0.62245933; gelu(1) = 0.84134475, by tanh 0.84119199.
TEST(Normalize, GatedUnitsOfOpset28) {
  OneNode unit{28, {"SwiGLU", {"x", "b"}, {"y"}}, {2}};
  unit.constants = {{"b", Tensor::of<float>({2}, {5, -2})}};
  EXPECT_NEAR(unit.run({0, 1})[1], -2 * 0.73105858f, 1e-5f);
  unit.node.attributes["alpha"] = 0.5f;
  EXPECT_NEAR(unit.run({0, 1})[1], -2 * 0.62245933f, 1e-5f);
  unit.node = {"GeGLU", {"x", "b"}, {"y"}};
  EXPECT_NEAR(unit.run({0, 1})[1], -2 * 0.84134475f, 1e-5f);
  unit.node.attributes["approximate"] = std::string("tanh");
  EXPECT_NEAR(unit.run({0, 1})[1], -2 * 0.84119199f, 1e-5f);
  unit.constants = {{"b", Tensor::of<float>({1}, {5})}};
  EXPECT_THAT(unit.error(), HasSubstr("gate [2] and value [1] differ"));
}

TEST(Normalize, GroupNormalizationScalesPerChannel) {
  // 4 channels in 2 groups, one element each: x = [-1, 1] in a group normalizes to itself.
  OneNode norm{
      18, {"GroupNormalization", {"x", "s", "b"}, {"y"}, {{"num_groups", int64_t{2}}, {"epsilon", 0.f}}}, {1, 4, 1}};
  norm.constants = {{"s", Tensor::of<float>({2}, {1, 10})}, {"b", Tensor::of<float>({2}, {0, 100})}};
  EXPECT_EQ(norm.run({-1, 1, -1, 1}), (Floats{-1, 1, 90, 110}));
  norm.node.attributes["num_groups"] = int64_t{3};
  EXPECT_THAT(norm.error(), HasSubstr("has 4 channels in 3 groups"));
  norm.node.attributes["num_groups"] = int64_t{0};
  EXPECT_THAT(norm.error(), HasSubstr("no positive attribute 'num_groups'"));
}

TEST(Normalize, CastTypeMayBeAName) {
  OneNode cast{7, {"Cast", {"x"}, {"y"}, {{"to", std::string("INT64")}}}, {2}};
  EXPECT_EQ(cast.import().outputs()[0].value->dtype(), DType::i64);
  cast.node.attributes["to"] = std::string("FLOATY");
  EXPECT_THAT(cast.error(), HasSubstr("attribute 'to' is \"FLOATY\""));
  for (int64_t number : {-1, 17, 99, 257}) {
    cast.node.attributes["to"] = number;
    EXPECT_THAT(cast.error(), HasSubstr("expected the number of an element type")) << number;
  }
}

TEST(Normalize, LegacyBroadcastAlongAnAxis) {
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Pow"}) {
    OneNode legacy{7, {op, {"x", "b"}, {"y"}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}}, {1, 2, 2}};
    legacy.constants = {{"b", Tensor::of<float>({2}, {2, 3})}};
    OneNode modern{7, {op, {"x", "b"}, {"y"}}, {1, 2, 2}};
    modern.constants = {{"b", Tensor::of<float>({2, 1}, {2, 3})}};
    EXPECT_EQ(legacy.run({1, 2, 3, 4}), modern.run({1, 2, 3, 4})) << op;
  }
  OneNode compare{7, {"Greater", {"x", "b"}, {"y"}, {{"broadcast", int64_t{1}}, {"axis", int64_t{0}}}}, {2, 2}};
  compare.constants = {{"b", Tensor::of<float>({2}, {1, 3})}};
  EXPECT_EQ(compare.run({1, 2, 3, 4}), (Floats{0, 1, 0, 1}));
  compare.node.attributes["axis"] = int64_t{7};
  EXPECT_THAT(compare.error(), HasSubstr("greater 'n': has axis 7"));
}

TEST(Normalize, ScatterIsScatterElements) {
  OneNode scatter{9, {"Scatter", {"x", "i", "u"}, {"y"}, {{"axis", int64_t{0}}}}, {3}};
  scatter.constants = {{"i", Tensor::of<int64_t>({1}, {1})}, {"u", Tensor::of<float>({1}, {9})}};
  EXPECT_EQ(scatter.run({1, 2, 3}), (Floats{1, 9, 3}));
}

onnx::DraftNode draft(const std::string& op, int64_t opset, Graph& graph, const Attributes& attributes) {
  onnx::DraftNode node{"n", op, "", {graph.add_input("x", DType::f32, Shape{1, 4, 2})}, {"y"}, attributes};
  onnx::Normalizer normalizer(graph, opset);
  normalize(node, normalizer);
  return node;
}

TEST(Normalize, DefaultsAndNamesThatChanged) {
  Graph graph;
  const char* coordinates = "coordinate_transformation_mode";
  EXPECT_EQ(std::get<std::string>(draft("RoiAlign", 15, graph, {}).attributes.at(coordinates)), "output_half_pixel");
  EXPECT_EQ(draft("RoiAlign", 16, graph, {}).attributes.count(coordinates), 0u);
  for (auto [before, after] : {std::pair{"bilinear", "linear"}, {"bicubic", "cubic"}, {"nearest", "nearest"}})
    EXPECT_EQ(
        std::get<std::string>(draft("GridSample", 16, graph, {{"mode", std::string(before)}}).attributes.at("mode")),
        after);
  EXPECT_EQ(draft("DFT", 17, graph, {{"axis", int64_t{2}}}).input(2)->constant().to_ints(), (Ints{2}));
  EXPECT_EQ(draft("DFT", 19, graph, {}).input(2)->constant().to_ints(), (Ints{1})) << "the default of opset 17";
}

TEST(Normalize, OtherDomainsAreLeftAlone) {
  Graph graph;
  onnx::DraftNode node{"n", "Clip", "vendor", {}, {"y"}, {{"min", 0.f}}};
  onnx::Normalizer normalizer(graph, 7);
  normalize(node, normalizer);
  EXPECT_EQ(node.attributes.count("min"), 1u);
}

TEST(Normalize, NothingChangesInOpset21) {
  OneNode relu{21, {"Relu", {"x"}, {"y"}}, {2}};
  EXPECT_EQ(relu.import().constants().size(), 0u);
  EXPECT_EQ(relu.run(counting(2)), counting(2));
}

}  // namespace
}  // namespace hone
