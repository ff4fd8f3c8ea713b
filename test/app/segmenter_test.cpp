// Segmenters as hone train ships them, with their preprocessing inside: hone eval, run and quantize.
#include <gmock/gmock.h>

#include "run_hone.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;

/// Scores are the red, green and blue of the picture, brought to 24 x 32.
std::string write_model(const TemporaryFolder& folder) {
  Graph graph;
  Value* x = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, 24, 32});
  Tensor weight = Tensor::zeros(DType::f32, {3, 3, 1, 1});
  for (size_t i : {0, 4, 8}) weight.mutable_data<float>()[i] = 1;
  graph.add_output("scores",
                   graph.add(make_op("", "Conv"), {x, graph.add_constant("weight", weight)}, "conv")->output());
  Preprocess preprocess;
  preprocess.height = 24, preprocess.width = 32;
  preprocess.std = {255, 255, 255};
  attach_preprocess(graph, preprocess);
  set_labels(graph, {"red", "green", "blue"});
  std::string path = (folder / "segmenter.onnx").string();
  export_model(graph, path);
  return path;
}

/// Left half red, right half blue. By its mask the last quarter is green.
void write_picture(const TemporaryFolder& folder, const std::string& name, int scale) {
  int height = 24 * scale, width = 32 * scale;
  Tensor image = Tensor::zeros(DType::u8, {height, width, 3}), mask = Tensor::zeros(DType::u8, {height, width});
  for (int i = 0; i < height * width; ++i) {
    int x = i % width;
    image.mutable_data<uint8_t>()[static_cast<size_t>(3 * i + (x < width / 2 ? 0 : 2))] = 250;
    mask.mutable_data<uint8_t>()[static_cast<size_t>(i)] = static_cast<uint8_t>(x < width / 2       ? 2
                                                                                : x < width * 3 / 4 ? 0
                                                                                                    : 1);
  }
  folder.write("data/val/" + name + ".png", encode_png(image));
  folder.write("data/val_labels/" + name + ".png", encode_png(mask));
}

class SegmenterCommands : public testing::Test {
 protected:
  SegmenterCommands() {
    folder_.write("data/classes.txt", "blue\ngreen\nred\n");  // by name, not by number
    write_picture(folder_, "small", 2);
    write_picture(folder_, "large", 4);
  }
  TemporaryFolder folder_;
  std::string model_ = write_model(folder_), data_ = (folder_ / "data").string();
};

TEST_F(SegmenterCommands, EvalCountsPixelsAtTheSizeOfEachImage) {
  Result result = hone({"eval", model_, data_, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  auto json = result.json();
  EXPECT_EQ(json["images"], 2);
  EXPECT_DOUBLE_EQ(json["miou"], 0.5);  // red 1, blue 1/2, green 0
  EXPECT_DOUBLE_EQ(json["pixel_accuracy"], 0.75);
  EXPECT_EQ(json["classes"][0]["name"], "red");
  EXPECT_DOUBLE_EQ(json["classes"][0]["iou"], 1);
  EXPECT_DOUBLE_EQ(json["classes"][2]["iou"], 0.5);
  Result wrong = hone({"eval", model_, data_, "--mean", "1"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("its own preprocessing"));
}

TEST_F(SegmenterCommands, QuantizedItAnswersAlike) {
  std::string out = (folder_ / "int8.onnx").string();
  Result result = hone({"quantize", model_, "--data", data_, "-o", out, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_GT(result.json()["int8_share"], 0.99);
  Result after = hone({"eval", out, data_, "--json"});
  ASSERT_EQ(after.code, 0) << after.err;
  EXPECT_DOUBLE_EQ(after.json()["miou"], 0.5);
}

TEST_F(SegmenterCommands, DamagedMasksAreSkippedAndSaid) {
  folder_.write("data/val_labels/small.png", "no image");
  Result result = hone({"eval", model_, data_, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.json()["images"], 1);
  EXPECT_EQ(result.json()["skipped"].size(), 1u);
}

}  // namespace
}  // namespace hone::app_test
