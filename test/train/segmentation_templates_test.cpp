#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "train/graph_module.hpp"
#include "train/templates.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

class SegmentationTemplate : public testing::TestWithParam<const char*> {};

TEST_P(SegmentationTemplate, TrainsWhatIsEvaluated) {
  for (auto [height, width] : {std::pair(32, 48), std::pair(112, 96)}) {
    Graph graph = build_template(
        GetParam(), {.classes = 5, .width = 0.25, .height = height, .width_px = width, .zero_gamma = false});
    ASSERT_EQ(graph.outputs().size(), 1u);
    EXPECT_EQ(graph.outputs()[0].name, "scores");
    EXPECT_EQ(to_string(graph.outputs()[0].value->type),
              "f32[N, 5, " + std::to_string(height) + ", " + std::to_string(width) + "]");
    Rng rng(3);
    std::vector<Tensor> inputs{random_tensor({2, 3, height, width}, rng)};
    GraphModule module(graph);
    module.forward(inputs, true);  // moves the statistics
    module.store(graph);
    EXPECT_LT(difference(module.forward(inputs)[0], evaluate(graph, inputs)[0]), 1e-4);
    std::vector<Tensor> weights{random_tensor({2, 5, height, width}, rng)};
    auto gradients = module.gradients(inputs, weights, true);
    for (const std::string& name : module.parameters()) EXPECT_TRUE(gradients.count(name)) << name;
  }
}

/// Strides 4, 8, 16 and 32 with 4 to 7 channels; the last is not used.
Graph backbone(int height, int width) {
  TestGraph g;
  Value* x = g.graph.add_input("x", DType::f32, Shape{Dim::named("N"), 3, height, width});
  for (int64_t out = 3; out < 8; ++out) {
    std::string name = "layer" + std::to_string(out);
    x = g.op("Relu", {g.op("Conv", {x, g.floats(name, {out, out == 3 ? 3 : out - 1, 3, 3})},
                           {{"strides", std::vector<int64_t>{2, 2}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}})});
    if (out > 3) g.graph.add_output("", x);
  }
  return std::move(g.graph);
}

TEST_P(SegmentationTemplate, TakesABackbone) {
  Graph trunk = backbone(64, 96);
  Graph graph = build_template(GetParam(), {.classes = 3, .height = 64, .width_px = 96, .backbone = &trunk});
  EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[N, 3, 64, 96]");
  EXPECT_NE(graph.find_value("backbone/layer6"), nullptr);
  EXPECT_EQ(graph.find_value("backbone/layer7"), nullptr) << "stride 32 is cut off";
  Rng rng(3);
  std::vector<Tensor> inputs{random_tensor({2, 3, 64, 96}, rng)};
  GraphModule module(graph);
  EXPECT_LT(difference(module.forward(inputs)[0], evaluate(graph, inputs)[0]), 1e-4);
}

TEST_P(SegmentationTemplate, ExplainsWhatItRefuses) {
  auto error = [&](const TemplateOptions& options) {
    try {
      build_template(GetParam(), options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error({.classes = 1}), HasSubstr("1 classes"));
  EXPECT_THAT(error({.classes = 255}), HasSubstr("255 classes"));
  EXPECT_THAT(error({.classes = 3, .width = 9}), HasSubstr("width multiplier 9"));
  EXPECT_THAT(error({.classes = 3, .height = 360, .width_px = 480}), HasSubstr("use 368x480"));
  EXPECT_THAT(error({.classes = 3, .height = 16, .width_px = 16}), HasSubstr("use 32x32"));
  TestGraph flat;
  flat.graph.add_output("",
                        flat.op("Flatten", {flat.graph.add_input("x", DType::f32, Shape{Dim::named("N"), 3, 64, 64})}));
  EXPECT_THAT(error({.classes = 3, .height = 64, .width_px = 64, .backbone = &flat.graph}),
              HasSubstr("expected feature maps"));
}

INSTANTIATE_TEST_SUITE_P(All, SegmentationTemplate, testing::Values("unet", "bisenet", "deeplabv3_mobilenet"),
                         [](const auto& info) { return std::string(info.param); });

/// A 1x1 layer of few images runs as one of more, lower images.
TEST(GraphModule, PointwiseLayersAreTheSameForAnyNumberOfImages) {
  for (int64_t images : {1, 2, 5, 17}) {
    for (int64_t height : {1, 7, 12, 15}) {
      SCOPED_TRACE(std::to_string(images) + " images of height " + std::to_string(height));
      TestGraph g(static_cast<uint64_t>(images * height));
      Value* x = g.input("x", {images, 6, height, 5});
      x = g.op("Relu", {g.op("Conv", {x, g.floats("front", {8, 6, 1, 1}), g.floats("front_bias", {8})})});
      g.graph.add_output("y", g.op("Conv", {x, g.floats("w", {4, 8, 1, 1})}));
      std::vector<Tensor> inputs{random_tensor({images, 6, height, 5}, g.rng)};
      std::vector<Tensor> weights{random_tensor({images, 4, height, 5}, g.rng)};
      GraphModule module(g.graph), plain(g.graph, {.channels_last = false});
      EXPECT_LT(difference(module.forward(inputs)[0], evaluate(g.graph, inputs)[0]), 1e-5);
      auto a = module.gradients(inputs, weights), b = plain.gradients(inputs, weights);
      for (auto& [name, gradient] : b) EXPECT_LT(difference(a.at(name), gradient), 1e-5) << name;
    }
  }
}

}  // namespace
}  // namespace hone
