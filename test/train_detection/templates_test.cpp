#include "train/templates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "train/detection/head.hpp"

namespace hone {
namespace {

std::vector<Template> detectors() {
  std::vector<Template> found;
  for (const Template& one : templates())
    if (one.task == Task::detection) found.push_back(one);
  return found;
}

TEST(DetectionTemplates, DescribeTheirHeads) {
  ASSERT_EQ(detectors().size(), 5u);
  for (const Template& one : detectors()) {
    Graph graph = one.build({.classes = 3, .width = 0.25, .height = 96, .width_px = 128});
    DetectorHead head = detector_head(graph);  // checks the outputs
    EXPECT_EQ(head.classes, 3) << one.name;
    EXPECT_EQ(graph.outputs()[0].name, "class_logits") << one.name;
    EXPECT_EQ(graph.outputs()[1].name, "boxes") << one.name;
    for (const HeadLevel& level : head.levels)
      EXPECT_EQ(level.height, static_cast<int64_t>((96 + level.step - 1) / level.step)) << one.name;
    EXPECT_NO_THROW(one.build({.classes = 1, .width = 0.25, .height = 96, .width_px = 96})) << one.name;
  }
}

TEST(DetectionTemplates, Ssd300IsThePublishedOne) {
  Graph graph = build_template("ssd300_vgg16", {.classes = 20, .width = 0.125, .height = 300, .width_px = 300});
  DetectorHead head = detector_head(graph);
  EXPECT_EQ(head.anchor_count(), 8732);
  std::vector<int64_t> cells, per_cell;
  for (const HeadLevel& level : head.levels)
    cells.push_back(level.height), per_cell.push_back(static_cast<int64_t>(level.anchors.size()));
  EXPECT_THAT(cells, testing::ElementsAre(38, 19, 10, 5, 3, 1));
  EXPECT_THAT(per_cell, testing::ElementsAre(4, 6, 6, 6, 4, 4));
  EXPECT_NEAR(head.levels[0].anchors[0][0], 30, 1e-3);
  EXPECT_NEAR(head.levels[1].anchors[0][0], 60, 1e-3);
  EXPECT_NEAR(head.levels[5].anchors[0][0], 264, 1e-3);
}

TEST(DetectionTemplates, TakeABackbone) {
  Graph backbone;
  Value* x = backbone.add_input("x", DType::f32, Shape{1, 3, Dim::named("H"), Dim::named("W")});
  for (int64_t channels : {8, 16, 24, 32}) {
    auto conv = make_op("", "Conv");
    set_attributes(*conv, {{"strides", std::vector<int64_t>{2, 2}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    int64_t in = x->shape()[1].value;
    Value* w = backbone.add_constant("w" + std::to_string(channels), Tensor::zeros(DType::f32, {channels, in, 3, 3}));
    x = backbone.add(std::move(conv), {x, w}, "conv" + std::to_string(channels))->output();
    if (channels >= 24) backbone.add_output("", x);
  }
  for (const Template& one : detectors()) {
    Graph graph = one.build({.classes = 2, .width = 0.25, .height = 128, .width_px = 160, .backbone = &backbone});
    EXPECT_NE(graph.find_value("backbone/w24"), nullptr) << one.name;
    EXPECT_EQ(detector_head(graph).levels[0].step, 8) << one.name;
    EXPECT_EQ(graph.find_node("backbone/stem"), nullptr) << one.name;
  }
  backbone.set_output(1, backbone.outputs()[0].value);  // twice the same size
  EXPECT_THROW(build_template("atss", {.classes = 2, .height = 128, .width_px = 128, .backbone = &backbone}), Error);
}

TEST(DetectionTemplates, SayWhatTheyRefuse) {
  auto error = [](const std::string& name, const TemplateOptions& options) {
    try {
      build_template(name, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error("atss", {.classes = 3, .height = 100, .width_px = 128}), testing::HasSubstr("use 96 x 128"));
  EXPECT_THAT(error("ssd_mobilenet_v2", {.classes = 0}), testing::HasSubstr("0 classes"));
  EXPECT_THAT(error("yolox_nano", {.classes = 3, .width = 0.01}), testing::HasSubstr("width multiplier"));
  EXPECT_THAT(error("ssd300_vgg16", {.classes = 3, .height = 32, .width_px = 32}),
              testing::HasSubstr("at least 96 x 96"));
}

}  // namespace
}  // namespace hone
