#include "app/explain/saliency.hpp"

#include <algorithm>

#include <gmock/gmock.h>

#include "app/image_models.hpp"
#include "app/support/subgraph.hpp"
#include "data/canvas.hpp"
#include "data/data_checks.hpp"
#include "graph/preprocess.hpp"

namespace hone::app {
namespace {

using ::testing::HasSubstr;

/// 40x60 pixels: black with a red square in the left top corner and a larger blue one in the right bottom corner.
Tensor two_squares() {
  Tensor image = Tensor::zeros(DType::u8, {40, 60, 3});
  fill_box(image, {0, 0, 15, 10}, {255, 0, 0});
  fill_box(image, {30, 20, 30, 20}, {0, 0, 255});
  return image;
}

ImageModel model_of(Graph graph) {
  ImageModel model;
  model.task = task_of(graph);
  model.labels = get_labels(graph.metadata);
  model.graph = std::move(graph);
  return model;
}

/// Row and column of the largest value, 0..1.
std::pair<double, double> peak(const Tensor& map) {
  auto values = map.data<float>();
  auto at = std::max_element(values.begin(), values.end()) - values.begin();
  return {(static_cast<double>(at / map.dim(1)) + 0.5) / static_cast<double>(map.dim(0)),
          (static_cast<double>(at % map.dim(1)) + 0.5) / static_cast<double>(map.dim(1))};
}

double at(const Tensor& map, double row, double column) {
  auto y = static_cast<int64_t>(row * static_cast<double>(map.dim(0))),
       x = static_cast<int64_t>(column * static_cast<double>(map.dim(1)));
  return map.data<float>()[static_cast<size_t>(y * map.dim(1) + x)];
}

TEST(SaliencyMaps, WeightedChannelsAndTheirMean) {
  Tensor feature = Tensor::of<float>({1, 2, 1, 3}, {1, 2, 3, 10, 20, 40});
  EXPECT_EQ(weighted_channels(feature, std::vector<float>{2, -1}).to_floats(), (std::vector<float>{-8, -16, -34}));
  EXPECT_EQ(weighted_channels(feature, {}).to_floats(), (std::vector<float>{5.5, 11, 21.5}));
}

TEST(SaliencyMaps, PrincipalComponentOfAFeatureOfRankOneIsThatFeature) {
  Tensor feature =
      Tensor::of<float>({1, 2, 2, 2}, {-3, -6, 0, -9, 1, 2, 0, 3});  // (-3, 1) times (1, 2, 0, 3), the sign is free
  std::vector<float> map = principal_map(feature).to_floats();
  EXPECT_NEAR(map[1] / map[0], 2, 1e-4);
  EXPECT_NEAR(map[3] / map[0], 3, 1e-4);
  EXPECT_NEAR(map[2], 0, 1e-5);
  EXPECT_GT(map[3], 0);
  EXPECT_EQ(principal_map(Tensor::zeros(DType::f32, {1, 3, 2, 2})).to_floats(), std::vector<float>(4, 0));
}

TEST(SaliencyMaps, NormalizedMapsGoFromZeroToOne) {
  Tensor map = Tensor::of<float>({1, 3}, {-1, 1, 3});
  EXPECT_EQ(normalized(map, true).to_floats(), (std::vector<float>{0, 0.5, 1}));
  EXPECT_EQ(normalized(map, false).to_floats()[0], 0);
  EXPECT_EQ(normalized(map, false).to_floats()[2], 1);
  EXPECT_EQ(normalized(Tensor::of<float>({1, 2}, {4, 4}), true).to_floats(), (std::vector<float>{0, 0}));
}

TEST(Saliency, ActivationUsesTheWeightsOfTheClass) {
  Saliency saliency(model_of(app_test::color_classifier()), SaliencyMethod::activation, "", {});
  Findings found = saliency.see(two_squares());
  EXPECT_EQ(saliency.first_class(found), 1);  // more is blue
  EXPECT_EQ(saliency.layer(), "feature");
  auto [red_row, red_column] = peak(saliency.map(0));
  EXPECT_LT(red_row, 0.3);
  EXPECT_LT(red_column, 0.3);
  auto [blue_row, blue_column] = peak(saliency.map(1));
  EXPECT_GT(blue_row, 0.5);
  EXPECT_GT(blue_column, 0.5);
  EXPECT_EQ(at(saliency.map(0), 0.9, 0.9), 0);  // blue speaks against red
}

TEST(Saliency, ReciproCamAsksTheHead) {
  for (bool corner : {false, true}) {
    Saliency saliency(model_of(corner ? app_test::corner_classifier() : app_test::color_classifier()),
                      SaliencyMethod::recipro_cam, "", {});
    Tensor gray = Tensor::zeros(DType::u8, {40, 60, 3});
    fill_box(gray, {0, 0, 60, 40}, {128, 128, 128});
    saliency.see(corner ? gray : two_squares());
    auto [row0, column0] = peak(saliency.map(0));
    EXPECT_LT(row0, 0.5) << corner;
    EXPECT_LT(column0, 0.5) << corner;
    auto [row1, column1] = peak(saliency.map(1));
    EXPECT_GT(row1, 0.5) << corner;
    EXPECT_GT(column1, 0.5) << corner;
    EXPECT_NEAR(at(saliency.map(0), 0.95, 0.05), 0, corner ? 1e-6 : 0.7)
        << corner;  // the corner head does not look there
  }
}

TEST(Saliency, EigenCamShowsTheLargestPart) {
  Saliency saliency(model_of(app_test::color_classifier()), SaliencyMethod::eigen_cam, "", {});
  saliency.see(two_squares());
  EXPECT_NEAR(at(saliency.map(0), 0.85, 0.85), 1, 1e-5);
  EXPECT_NEAR(at(saliency.map(0), 0.9, 0.1), 0, 1e-5);
}

TEST(Saliency, LinearHeadsAreKnownByTheirNodes) {
  Graph linear = app_test::color_classifier();
  EXPECT_EQ(linear_head(linear, linear.find_value("feature")).to_floats(), (std::vector<float>{4, -4, -4, 4}));
  Graph corner = app_test::corner_classifier();
  EXPECT_FALSE(linear_head(corner, corner.find_value("feature")).defined());
}

TEST(Saliency, SegmentersAndDetectorsShowTheirScores) {
  Saliency segmenter(model_of(app_test::color_segmenter()), SaliencyMethod::activation, "", {});
  Findings found = segmenter.see(two_squares());
  ASSERT_TRUE(found.classes.defined());
  EXPECT_GT(at(segmenter.map(1), 0.8, 0.8), at(segmenter.map(1), 0.1, 0.1));
  Saliency detector(model_of(app_test::fixed_detector()), SaliencyMethod::activation, "", {});
  EXPECT_EQ(detector.first_class(detector.see(two_squares())), 0);
  EXPECT_GT(at(detector.map(0), 0.25, 0.25), 0.9);
  auto [row, column] = peak(detector.map(1));
  EXPECT_NEAR(row, 0.75, 0.05);
  EXPECT_NEAR(column, 0.75, 0.05);
}

/// Two boxes whose scores are what lies in the left top and in the right bottom quarter of the feature map.
Graph quarter_detector() {
  Graph graph = parse_text(R"(graph "quarters" {
    input %x: f32[1, 3, 32, 32]
    const %w: f32[8, 3, 4, 4] = fill(0.02)
    const %from0: i64[2] = [0, 0]
    const %to0: i64[2] = [4, 4]
    const %from1: i64[2] = [4, 4]
    const %to1: i64[2] = [8, 8]
    const %axes: i64[2] = [2, 3]
    const %all: i64[3] = [1, 2, 3]
    const %row: i64[2] = [1, 1]
    const %first: f32[1, 2] = [0, 0]
    const %second: f32[1, 2] = [0, 1]
    const %box0: f32[1, 4] = [0, 0, 20, 20]
    const %box1: f32[1, 4] = [20, 20, 40, 40]
    const %zero: f32[] = [0]
    const %column: i64[] = [2]
    %feature = Conv(%x, %w) {strides=[4, 4]}
    %a = Slice(%feature, %from0, %to0, %axes)
    %b = Slice(%feature, %from1, %to1, %axes)
    %am = ReduceMean(%a, %all) {keepdims=0}
    %bm = ReduceMean(%b, %all) {keepdims=0}
    %as = Reshape(%am, %row)
    %bs = Reshape(%bm, %row)
    %r0 = Concat(%first, %as, %box0) {axis=1}
    %r1 = Concat(%second, %bs, %box1) {axis=1}
    %rows = Concat(%r0, %r1) {axis=0}
    %score = Gather(%rows, %column) {axis=1}
    %some = Greater(%score, %zero)
    %detections = Compress(%rows, %some) {axis=0}
    output "detections" = %detections
  })");
  attach_preprocess(graph, {.height = 32, .width = 32, .mean = {0, 0, 0}, .std = {255, 255, 255}, .antialias = false});
  set_labels(graph, {"apple", "pear"});
  graph.metadata["hone.task"] = "detection";
  return graph;
}

TEST(Saliency, ReciproCamOfADetectorIsAboutOneObject) {
  Saliency saliency(model_of(quarter_detector()), SaliencyMethod::recipro_cam, "", {});
  EXPECT_EQ(saliency.layer(), "feature");
  Tensor gray = Tensor::zeros(DType::u8, {40, 40, 3});
  fill_box(gray, {0, 0, 40, 40}, {200, 200, 200});
  Findings found = saliency.see(gray);
  ASSERT_EQ(found.objects.size(), 2u);
  for (const Detection& object : found.objects) {
    Tensor map = saliency.map(object);
    auto [row, column] = peak(map);
    EXPECT_EQ(row < 0.5, object.label == 0);
    EXPECT_EQ(column < 0.5, object.label == 0);
    double far = object.label == 0 ? 0.9 : 0.1;
    EXPECT_NEAR(at(map, far, far), 0, 1e-5) << "the other quarter says nothing of this object";
  }
  EXPECT_THAT(error_of([&] { saliency.map(0); }), HasSubstr("one object"));
  Saliency eigen(model_of(quarter_detector()), SaliencyMethod::eigen_cam, "", {});
  found = eigen.see(gray);
  EXPECT_NEAR(at(limited_to(eigen.map(0), {0, 0, 20, 20}, {40, 40}), 0.9, 0.9), 0, 1e-6);
}

TEST(Saliency, ErrorsSayWhatHelps) {
  auto make = [](Graph graph, SaliencyMethod method, const char* layer) {
    return error_of([&] { Saliency saliency(model_of(std::move(graph)), method, layer, {}); });
  };
  EXPECT_THAT(make(app_test::color_classifier(), SaliencyMethod::activation, "featur"), HasSubstr("near: feature"));
  EXPECT_THAT(make(app_test::fixed_detector(), SaliencyMethod::recipro_cam, ""), HasSubstr("use --method activation"));
  EXPECT_THAT(make(app_test::color_segmenter(), SaliencyMethod::recipro_cam, ""), HasSubstr("use --method activation"));
  EXPECT_THAT(make(app_test::fixed_detector(), SaliencyMethod::eigen_cam, ""), HasSubstr("no feature map"));
  EXPECT_THAT(error_of([] { parse_saliency_method("eigencam"); }), HasSubstr("did you mean 'eigen-cam'"));
}

TEST(Subgraph, OfAPartComputesTheSame) {
  Graph model = app_test::color_classifier();
  const Value* feature = model.find_value("feature");
  Graph head = subgraph(model, std::span(&feature, 1), model.outputs());
  ASSERT_EQ(head.inputs().size(), 1u);
  Tensor map = random_image(8, 8, 3).cast(DType::f32).reshaped({1, 3, 8, 8});
  Tensor input = Tensor::of<float>({1, 2, 8, 8}, map.to_floats());
  Tensor image = two_squares().reshaped({1, 40, 60, 3});
  GraphOutput output{"feature", const_cast<Value*>(feature)};
  const Value* whole = model.inputs()[0];
  Graph front = subgraph(model, std::span(&whole, 1), std::span(&output, 1));
  Tensor features = evaluate(front, std::span(&image, 1)).at(0);
  EXPECT_TRUE(identical(evaluate(head, std::span(&features, 1)).at(0), evaluate(model, std::span(&image, 1)).at(0)));
  EXPECT_EQ(evaluate(head, std::span(&input, 1)).at(0).dims(), (Dims{1, 2}));
}

}  // namespace
}  // namespace hone::app
