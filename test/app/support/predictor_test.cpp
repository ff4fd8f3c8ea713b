#include "app/support/predictor.hpp"

#include <gmock/gmock.h>

#include "app/image_models.hpp"
#include "app/support/draw_results.hpp"
#include "data/draw.hpp"
#include "data/data_checks.hpp"
#include "export/export.hpp"

namespace hone::app {
namespace {

using ::testing::HasSubstr;

/// Left half red, right half blue.
Tensor halves(int height = 20, int width = 40) {
  Tensor image = Tensor::zeros(DType::u8, {height, width, 3});
  fill_box(image, {0, 0, width / 2.0, double(height)}, {250, 0, 0});
  fill_box(image, {width / 2.0, 0, width / 2.0, double(height)}, {0, 0, 250});
  return image;
}

ImageModel saved(const Graph& graph) {
  TemporaryFolder folder;
  export_model(graph, folder / "m.onnx");
  return open_image_model(folder / "m.onnx", {});
}

TEST(Predictor, DetectionsAreInPixelsOfTheImage) {
  ImageModel model = saved(app_test::fixed_detector());
  EXPECT_EQ(model.task, Task::detection);
  Predictor predictor(model, {});
  for (auto [height, width] : {std::pair{20, 40}, {33, 50}}) {
    std::vector<Detection> objects = predictor.predict(halves(height, width)).objects;
    ASSERT_EQ(objects.size(), 2u);  // the third is below 0.3
    EXPECT_EQ(predictor.label(objects[0].label), "apple");
    EXPECT_EQ(objects[0].box, (Box{0, 0, width / 2.0, height / 2.0}));
    EXPECT_EQ(objects[1].label, 1);
    EXPECT_NEAR(objects[1].score, 0.6, 1e-6);
  }
  EXPECT_EQ(Predictor(model, {{}, 0.1}).predict(halves()).objects.size(), 3u);
  model.graph.metadata.erase("hone.task");
  EXPECT_EQ(task_of(model.graph), Task::detection);  // by its output
}

TEST(Predictor, SegmentationHasAClassForEachPixel) {
  Predictor predictor(saved(app_test::color_segmenter()), {});
  EXPECT_EQ(predictor.task(), Task::segmentation);
  Findings found = predictor.predict(halves(32, 64));
  ASSERT_EQ(found.classes.dims(), (Dims{32, 64}));
  EXPECT_EQ(found.classes.data<uint8_t>()[0], 0);
  EXPECT_EQ(found.classes.data<uint8_t>()[63], 1);
  std::vector<std::pair<int, double>> shares = class_shares(found.classes);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_NEAR(shares[0].second, 0.5, 0.05);
}

TEST(Predictor, ClassesTogetherOrEachOnItsOwn) {
  Findings one = Predictor(saved(app_test::color_classifier()), {}).predict(halves());
  ASSERT_EQ(one.probabilities.size(), 2u);
  EXPECT_NEAR(one.probabilities[0] + one.probabilities[1], 1, 1e-5);
  ImageModel multi = saved(app_test::color_classifier("multi-label"));
  EXPECT_EQ(multi.task, Task::multi_label);
  Findings both = Predictor(multi, {}).predict(halves());
  EXPECT_NEAR(both.probabilities[0], 1 / (1 + std::exp(-0.5)), 0.02);  // red and blue cancel, the bias is left
  EXPECT_NEAR(both.probabilities[1], 0.5, 0.02);
}

TEST(Predictor, RefusesWhatDoesNotFitItsTask) {
  ImageModel model = saved(app_test::color_classifier());
  model.labels = {"one"};
  EXPECT_THAT(error_of([&] { Predictor predictor(model, {}); }), HasSubstr("1 class names for a model with 2 classes"));
  model.labels.clear();
  model.task = Task::detection;
  EXPECT_THAT(error_of([&] { Predictor predictor(model, {}); }), HasSubstr("expected the detections"));
}

TEST(Drawing, BoxesAndLegendHaveTheColorsOfTheirClasses) {
  Tensor image = Tensor::zeros(DType::u8, {500, 600, 3});
  Marks marks;
  marks.objects.push_back({{100, 200, 300, 200}, 3, "dog 93%"});
  Tensor picture = draw_marks(image, marks);
  ASSERT_EQ(picture.dims(), image.dims());
  auto pixel = [&](int y, int x) {
    auto p = picture.data<uint8_t>().subspan(static_cast<size_t>(y * 600 + x) * 3, 3);
    return Color{p[0], p[1], p[2]};
  };
  EXPECT_EQ(pixel(300, 100), class_color(3));
  EXPECT_EQ(pixel(399, 250), class_color(3));
  EXPECT_EQ(pixel(300, 250), (Color{0, 0, 0}));
  EXPECT_EQ(pixel(198, 101), class_color(3));  // the name above the box
  auto changed = picture.data<uint8_t>().subspan(0, 175 * 600 * 3);
  EXPECT_EQ(std::count(changed.begin(), changed.end(), 0), static_cast<std::ptrdiff_t>(changed.size()));
}

TEST(Drawing, SmallImagesAreEnlargedSoThatTextCanBeRead) {
  EXPECT_EQ(enlargement({32, 32}), 13);
  EXPECT_EQ(enlargement({480, 640}), 1);
  EXPECT_GE(text_height({1, 1}), 13);
  EXPECT_GT(text_height({3000, 4000}), 80);
  Marks marks;
  marks.lines = {{0, "a long name of a class"}, {-1, "\xC3\xA4\xE4\xB8\xAD\xFF"}};
  marks.status = "12 FPS";
  for (auto [height, width] : {std::pair{1, 1}, {1, 700}, {700, 1}, {32, 32}}) {
    Tensor picture = draw_marks(Tensor::zeros(DType::u8, {height, width, 3}), marks);
    EXPECT_EQ(picture.dim(0), height * enlargement({height, width}));
  }
}

TEST(Drawing, NoNameHidesAnother) {
  Tensor image = Tensor::zeros(DType::u8, {600, 800, 3});
  Marks one, two;
  one.objects.push_back({{200, 300, 200, 100}, 1, "first"});
  two = one;
  two.objects.push_back({{205, 303, 200, 100}, 2, "second"});
  Tensor a = draw_marks(image, one), b = draw_marks(image, two);
  // The first name's rows are the same in both pictures.
  auto rows = [](const Tensor& picture) { return picture.data<uint8_t>().subspan(270 * 800 * 3, 28 * 800 * 3); };
  EXPECT_TRUE(std::equal(rows(a).begin(), rows(a).end(), rows(b).begin()));
}

TEST(Drawing, CropsStayInsideTheImage) {
  Tensor image = random_image(10, 20, 1);
  EXPECT_EQ(crop_image(image, {5, 2, 4, 3}).dims(), (Dims{3, 4, 3}));
  EXPECT_EQ(crop_image(image, {15, 8, 100, 100}).dims(), (Dims{2, 5, 3}));
  EXPECT_EQ(crop_image(image, {50, 50, 0, 0}).dims(), (Dims{1, 1, 3}));
}

}  // namespace
}  // namespace hone::app
