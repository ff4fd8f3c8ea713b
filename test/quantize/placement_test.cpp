#include "quantize/placement.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "models.hpp"

namespace hone {
namespace {

using test::Net;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

QuantizerPlacement place(const Net& net, const QuantizeOptions& options = {}) {
  return place_quantizers(net.graph, options, original_names(net.graph));
}

std::vector<std::string> quantized_values(const QuantizerPlacement& placement) {
  std::vector<std::string> names;
  for (auto& [value, index] : placement.class_of) names.push_back(value->name);
  std::sort(names.begin(), names.end());
  return names;
}

const NodeReport& node(const QuantizerPlacement& placement, const std::string& name) {
  auto found = std::find_if(placement.nodes.begin(), placement.nodes.end(), [&](auto& n) { return n.name == name; });
  EXPECT_NE(found, placement.nodes.end()) << name;
  return *found;
}

TEST(QuantizerPlacement, ActivationStaysWithItsConvolution) {
  Net net;
  Value* x = net.input("x", {1, 3, 8, 8});
  Value* first = net.relu(net.conv(x, 4, 3, "c1"), "r1");
  net.output(net.conv(net.apply("HardSwish", {net.conv(first, 4, 3, "c2")}, "h2"), 4, 1, "c3"));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("h2", "r1", "x"));
  EXPECT_EQ(placement.layers.size(), 3u);
  for (const char* name : {"c1", "r1", "c2", "h2", "c3"}) EXPECT_TRUE(node(placement, name).quantized) << name;
}

TEST(QuantizerPlacement, ActivationOfAValueWithOtherUsersIsANodeOfItsOwn) {
  Net net;
  Value* conv = net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c1");
  Value* sum = net.apply("Add", {conv, net.relu(conv, "r1")}, "sum");
  net.output(net.conv(sum, 4, 1, "c2"));
  EXPECT_THAT(quantized_values(place(net)), ElementsAre("c1", "r1", "sum", "x"));
}

TEST(QuantizerPlacement, ResidualBlock) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "stem"), "r0");
  Value* branch = net.conv(net.relu(net.conv(x, 4, 3, "c1"), "r1"), 4, 3, "c2");
  Value* sum = net.relu(net.apply("Add", {branch, x}, "sum"), "r2");
  net.output(net.head(sum, 5));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("c2", "flat", "gap", "r0", "r1", "r2", "x"));
  EXPECT_TRUE(node(placement, "sum").quantized);
  EXPECT_EQ(placement.class_of.count(net.graph.outputs()[0].value), 0u) << "the logits stay fp32";
  EXPECT_EQ(placement.class_for(net.graph.find_value("flat")).representative, net.graph.find_value("gap"));
}

TEST(QuantizerPlacement, SqueezeAndExcite) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "stem"), "r0");
  Value* gate = net.relu(net.conv(net.apply("GlobalAveragePool", {x}, "gap"), 2, 1, "down"), "r1");
  gate = net.apply("HardSigmoid", {net.conv(gate, 4, 1, "up")}, "gate");
  net.output(net.conv(net.apply("Mul", {x, gate}, "scaled"), 4, 1, "out"));
  EXPECT_THAT(quantized_values(place(net)), ElementsAre("gap", "gate", "r0", "r1", "scaled", "x"));
}

TEST(QuantizerPlacement, NothingBeforeTheFirstAndAfterTheLastLayer) {
  Net net;
  Value* image = net.input("image", {1, 8, 8, 3}, DType::u8);
  Value* x = net.apply("Cast", {image}, "cast", {{"to", int64_t{1}}});
  x = net.apply("Transpose", {x}, "nchw", {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  x = net.apply("Sub", {x, net.graph.add_constant("mean", net.normal({1, 3, 1, 1}, 1))}, "centered");
  Value* y = net.relu(net.conv(x, 4, 3, "c1"), "r1");
  y = net.apply("Softmax", {net.apply("Flatten", {net.apply("GlobalAveragePool", {y}, "gap")}, "flat")}, "prob");
  net.output(y);
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("centered"));
  EXPECT_THAT(node(placement, "nchw").reason, HasSubstr("do not come from int8"));
  EXPECT_THAT(node(placement, "centered").reason, HasSubstr("do not come from int8"));
  EXPECT_THAT(node(placement, "gap").reason, HasSubstr("no int8 node uses"));
  EXPECT_THAT(node(placement, "prob").reason, HasSubstr("Softmax has no int8 form"));
  EXPECT_TRUE(node(placement, "r1").quantized);
}

TEST(QuantizerPlacement, ScalesPassThroughOpsThatCopy) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c1"), "r1");
  Attributes window{{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}};
  Value* pooled = net.apply("MaxPool", {x}, "pool", window);
  Value* turned = net.apply("Transpose", {pooled}, "turned", {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  net.output(net.conv(net.apply("AveragePool", {turned}, "average", window), 4, 1, "c2"));
  QuantizerPlacement placement = place(net);
  const ScaleClass& shared = placement.class_for(pooled);
  EXPECT_EQ(shared.representative, x);
  EXPECT_THAT(shared.members, ElementsAre(x, pooled, turned));
  EXPECT_NE(placement.class_for(net.graph.find_value("average")).representative, x);
}

TEST(QuantizerPlacement, ConcatSharesItsScaleWithInputsThatOnlyItUses) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c0"), "r0");
  Value* a = net.relu(net.conv(x, 4, 3, "c1"), "a");
  Value* b = net.relu(net.conv(a, 4, 3, "c2"), "b");
  Value* inner = net.apply("Concat", {a, b}, "inner", {{"axis", int64_t{1}}});
  Value* c = net.relu(net.conv(x, 4, 3, "c3"), "c");
  Value* all = net.apply("Concat", {inner, c}, "all", {{"axis", int64_t{1}}});
  net.output(net.conv(all, 4, 1, "c4"));
  QuantizerPlacement placement = place(net);
  EXPECT_EQ(placement.class_for(b).representative, all);
  EXPECT_EQ(placement.class_for(c).representative, all);
  EXPECT_EQ(placement.class_for(inner).representative, all);
  EXPECT_EQ(placement.class_for(a).representative, a) << "c2 uses it as well";
}

TEST(QuantizerPlacement, ProductOfTwoActivationsHasASignedSecondFactor) {
  Net net;
  Value* a = net.input("a", {1, 4, 6});
  Value* b = net.input("b", {1, 5, 6});
  Value* project = net.apply("MatMul", {b, net.graph.add_constant("w", net.normal({6, 6}, 1))}, "project");
  Value* turned = net.apply("Transpose", {project}, "turned", {{"perm", std::vector<int64_t>{0, 2, 1}}});
  net.output(net.apply("MatMul", {a, turned}, "scores"));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), UnorderedElementsAre("a", "b", "project", "turned"));
  EXPECT_TRUE(placement.class_for(turned).signed_type);
  EXPECT_EQ(placement.class_for(turned).representative->name, "project");
  EXPECT_FALSE(placement.class_for(a).signed_type);
}

TEST(QuantizerPlacement, IgnoredNodesSplitTheGraph) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "block.0.conv"), "r1");
  x = net.relu(net.conv(x, 4, 3, "block.1.conv"), "r2");
  net.output(net.conv(x, 4, 1, "last"));
  QuantizeOptions options;
  options.ignored_nodes = {"block.1.*"};
  QuantizerPlacement placement = place(net, options);
  EXPECT_THAT(quantized_values(placement), ElementsAre("r2", "x"));
  EXPECT_EQ(node(placement, "block.1.conv").reason, "ignored on request");
  options = {};
  options.ignored_op_types = {"Conv"};
  EXPECT_TRUE(place(net, options).int8.empty());
}

TEST(QuantizerPlacement, MatrixProductAndConstantAddAreOneLayerWithItsActivation) {
  Net net;
  Value* x = net.input("x", {1, 5, 6});
  Value* y = net.apply("MatMul", {x, net.graph.add_constant("w1", net.normal({6, 8}, 1))}, "fc1");
  y = net.apply("Gelu", {net.apply("Add", {y, net.graph.add_constant("b1", net.normal({8}, 1))}, "bias")}, "gelu");
  net.output(net.apply("MatMul", {y, net.graph.add_constant("w2", net.normal({8, 6}, 1))}, "fc2"));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("gelu", "x"));
  for (const char* name : {"fc1", "bias", "gelu", "fc2"}) EXPECT_TRUE(node(placement, name).quantized) << name;
  EXPECT_TRUE(placement.constant_inputs.empty()) << "a bias stays f32";
  EXPECT_EQ(placement.units.size(), 2u);
}

TEST(QuantizerPlacement, ScaleAndShiftByConstantsAreOneStep) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c1"), "r1");
  Value* scaled = net.apply("Mul", {x, net.graph.add_constant("gain", net.normal({1, 4, 1, 1}, 1))}, "scaled");
  Value* shifted = net.apply("Add", {scaled, net.graph.add_constant("shift", net.normal({1, 4, 1, 1}, 1))}, "shifted");
  Value* lone =
      net.apply("Mul", {net.relu(shifted, "r2"), net.graph.add_constant("k", net.normal({1, 4, 1, 1}, 1))}, "lone");
  net.output(net.conv(lone, 4, 1, "c2"));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("lone", "r1", "r2", "x"));
  ASSERT_EQ(placement.constant_inputs.size(), 1u);
  EXPECT_EQ(placement.constant_inputs[0].node->name, "lone");
}

TEST(QuantizerPlacement, ConcatTakesInAPartThatIsNotInt8) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c1"), "r1");
  Value* outside = net.apply("Softplus", {net.conv(x, 4, 3, "c2")}, "outside");
  net.output(net.conv(net.apply("Concat", {x, outside}, "cat", {{"axis", int64_t{1}}}), 4, 1, "c3"));
  QuantizerPlacement placement = place(net);
  EXPECT_TRUE(node(placement, "cat").quantized);
  EXPECT_FALSE(node(placement, "outside").quantized);
  EXPECT_THAT(quantized_values(placement), ElementsAre("cat", "outside", "r1", "x"));
}

// No pair around an op without an integer kernel: it would cost accuracy and buy nothing.
TEST(QuantizerPlacement, OpsWithoutIntegerKernelsHaveNoPairOfTheirOwn) {
  Net net;
  Value* x = net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c1");
  net.output(net.conv(net.apply("Softplus", {x}, "plus"), 4, 1, "c2"));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("plus", "x"));
  EXPECT_THAT(node(placement, "plus").reason, HasSubstr("Softplus has no int8 form"));
}

TEST(QuantizerPlacement, ResizeKeepsItsScaleAndPReluFollows) {
  Net net;
  Value* x = net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "c1");
  x = net.apply("PRelu", {x, net.graph.add_constant("slope", net.normal({4, 1, 1}, 0.1F))}, "prelu");
  Value* scales = net.graph.add_constant("scales", Tensor::of<float>({4}, {1, 1, 2, 2}));
  auto op = make_op("", "Resize");
  set_attributes(*op, {{"mode", std::string("linear")}});
  x = net.graph.add(std::move(op), {net.conv(x, 4, 3, "c2"), nullptr, scales}, "linear")->output();
  net.output(net.conv(x, 4, 1, "c3"));
  QuantizerPlacement placement = place(net);
  EXPECT_THAT(quantized_values(placement), ElementsAre("c1", "c2", "linear", "prelu", "x"));
  EXPECT_EQ(placement.class_for(net.graph.find_value("linear")).representative->name, "c2");
}

TEST(QuantizerPlacement, PatternsAreRegularExpressionsOfWholeNames) {
  Net net;
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "block.0.conv"), "r1");
  net.output(net.conv(x, 4, 1, "block.1.conv"));
  QuantizeOptions options;
  options.ignored_patterns = {"block\\.[1-9]\\..*"};
  QuantizerPlacement placement = place(net, options);
  EXPECT_TRUE(node(placement, "block.0.conv").quantized);
  EXPECT_FALSE(node(placement, "block.1.conv").quantized);
  for (const char* wrong : {"block", "(", "nothing.*"}) {
    options.ignored_patterns = {wrong};
    EXPECT_THROW(place(net, options), Error) << wrong;
  }
  options = {.ignored_op_types = {"Gemm"}};
  EXPECT_THROW(place(net, options), Error) << "there is such an op, but not in this model";
}

TEST(QuantizerPlacement, WrongNamesGetNearOnes) {
  Net net;
  net.output(net.conv(net.input("x", {1, 3, 8, 8}), 4, 3, "stem.conv"));
  auto message = [&](const QuantizeOptions& options) -> std::string {
    try {
      place(net, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  QuantizeOptions options;
  options.ignored_nodes = {"stem.cnv"};
  EXPECT_THAT(message(options), testing::AllOf(HasSubstr("stem.cnv"), HasSubstr("'stem.conv'")));
  options.ignored_nodes = {};
  options.ignored_op_types = {"Convv"};
  EXPECT_THAT(message(options), testing::AllOf(HasSubstr("Convv"), HasSubstr("Conv")));
}

TEST(QuantizerPlacement, LayersWithoutConstantWeightsStayFp32) {
  Net net;
  Value* x = net.input("x", {1, 3, 8, 8});
  Value* w = net.input("w", {4, 3, 3, 3});
  net.output(net.graph.add(std::make_unique<ops::Conv>(), {x, w}, "dynamic")->output());
  QuantizerPlacement placement = place(net);
  EXPECT_TRUE(placement.int8.empty());
  EXPECT_THAT(node(placement, "dynamic").reason, HasSubstr("not f32 constants"));
}

}  // namespace
}  // namespace hone
