#include "train/templates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "train/graph_module.hpp"
#include "train/tensor_memory.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

int64_t parameters(const Graph& graph) {
  int64_t count = 0;
  for (const Value* value : graph.constants())
    if (value->name.find("running") == std::string::npos && value->constant().rank() > 0)
      count += value->constant().size();
  return count;
}

TEST(MobileNetV2, IsThePublishedArchitecture) {
  Graph graph = build_template("mobilenet_v2", {.classes = 1000, .height = 224, .width_px = 224});
  EXPECT_EQ(parameters(graph), 3504872);  // of Sandler et al. with 1000 classes
  EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[N, 1000]");
}

/// Published numbers of learned parameters with 1000 classes.
TEST(ClassifierTemplates, AreThePublishedArchitectures) {
  const std::pair<const char*, int64_t> published[] = {{"mobilenet_v3_small", 2542856}, {"mobilenet_v3_large", 5483032},
                                                       {"efficientnet_b0", 5288548},    {"resnet18", 11689512},
                                                       {"resnet50", 25557032}};
  for (auto& [name, count] : published)
    EXPECT_EQ(parameters(build_template(name, {.classes = 1000, .height = 224, .width_px = 224})), count) << name;
  // 4.0 million in the paper.
  EXPECT_NEAR(static_cast<double>(parameters(
                  build_template("mobilenet_v3_large_075", {.classes = 1000, .height = 224, .width_px = 224}))),
              4.0e6, 2e4);
}

TEST(ClassifierTemplates, WorkOnSmallImagesAndTrain) {
  Rng rng(3);
  for (const Template& known : templates()) {
    if (known.task != Task::classification) continue;
    for (int side : {16, 32, 64}) {
      Graph graph = build_template(known.name, {.classes = 4, .width = 0.2, .height = side, .width_px = side + 8});
      EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[N, 4]") << known.name << side;
      int64_t last = 0;
      for (auto& node : graph.nodes())
        if (node->is("GlobalAveragePool")) last = node->input(0)->shape()[2].value;
      EXPECT_GE(last, 3) << known.name << side;
      EXPECT_LE(last, 8) << known.name << side;
    }
    Graph graph = build_template(known.name, {.classes = 4, .width = 0.2, .height = 32, .width_px = 32, .dropout = 0});
    GraphModule module(graph);
    std::vector<Tensor> image{random_tensor({2, 3, 32, 32}, rng)};
    EXPECT_LT(difference(module.forward(image)[0], evaluate(graph, image)[0]), 1e-4) << known.name;
    int64_t learned = 0;
    for (auto& [name, gradient] : module.gradients(image, std::vector<Tensor>{random_tensor({2, 4}, rng)}, true))
      learned += gradient.size();
    EXPECT_EQ(learned, parameters(graph)) << known.name;
  }
}

TEST(MobileNetV2, FinalMapIsAtLeast3x3) {
  for (int side : {16, 24, 32, 48, 64, 96, 128, 192}) {
    Graph graph = build_template("mobilenet_v2", {.classes = 4, .width = 0.35, .height = side, .width_px = side + 8});
    const Shape& last = graph.find_node("head")->output()->shape();
    EXPECT_GE(last[2].value, 3) << side;
    EXPECT_LE(last[2].value, 8) << side;
  }
}

TEST(MobileNetV2, StartsFromItsSeed) {
  TemplateOptions options{.classes = 3, .width = 0.25, .height = 32, .width_px = 32, .seed = 4};
  Graph a = build_template("mobilenet_v2", options), b = build_template("mobilenet_v2", options);
  EXPECT_TRUE(identical(a.find_value("stem.weight")->constant(), b.find_value("stem.weight")->constant()));
  options.seed = 5;
  Graph c = build_template("mobilenet_v2", options);
  EXPECT_FALSE(identical(a.find_value("stem.weight")->constant(), c.find_value("stem.weight")->constant()));
}

TEST(Templates, ExplainWhatTheyRefuse) {
  auto error = [](const std::string& name, const TemplateOptions& options) {
    try {
      build_template(name, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error("mobilnet", {.classes = 3}), testing::HasSubstr("known templates: mobilenet_v2"));
  EXPECT_THAT(error("mobilenet_v2", {.classes = 1}), testing::HasSubstr("1 classes"));
  EXPECT_THAT(error("mobilenet_v2", {.classes = 3, .width = 0}), testing::HasSubstr("width multiplier 0"));
  EXPECT_THAT(error("mobilenet_v2", {.classes = 3, .height = 8}), testing::HasSubstr("8 x 128"));
  EXPECT_THAT(error("mobilenet_v2", {.classes = 3, .dropout = 1}), testing::HasSubstr("dropout 1"));
}

TEST(TensorMemory, IsGivenBack) {
  {
    TensorMemory memory;
    Graph graph = build_template("mobilenet_v2", {.classes = 3, .width = 0.25, .height = 64, .width_px = 64});
    Rng rng(1);
    GraphModule module(graph);
    module.forward(std::vector<Tensor>{random_tensor({4, 3, 64, 64}, rng)});
    EXPECT_GT(TensorMemory::cached_bytes(), 0u);
    TensorMemory::trim();
    EXPECT_EQ(TensorMemory::cached_bytes(), 0u);
  }
  EXPECT_EQ(TensorMemory::cached_bytes(), 0u);
}

}  // namespace
}  // namespace hone
