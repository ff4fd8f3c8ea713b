// hone eval on models whose answers are known: every figure was worked out by hand.
#include <gmock/gmock.h>

#include "image_models.hpp"
#include "run_hone.hpp"

namespace hone::app_test {
namespace {

using nlohmann::json;

std::string plain_png(int height, int width, int red, int green, int blue) {
  Tensor image(DType::u8, {height, width, 3});
  auto pixels = image.mutable_data<uint8_t>();
  const int color[] = {red, green, blue};
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(color[i % 3]);
  return encode_png(image);
}

/// The entry of a class in "classes".
json of_class(const json& result, const std::string& name) {
  for (const json& one : result["classes"])
    if (one["name"] == name) return one;
  ADD_FAILURE() << "no class " << name << " in " << result.dump();
  return {};
}

json evaluated(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "eval");
  arguments.emplace_back("--json");
  Result result = hone(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  json figures = result.json();
  EXPECT_FALSE(figures.is_discarded()) << result.out;
  return figures;
}

TEST(Evaluation, ClassificationFigures) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "model.onnx", color_classifier());
  folder.write("data/red/1.png", plain_png(32, 32, 200, 0, 0));
  folder.write("data/red/2.png", plain_png(32, 32, 150, 0, 0));
  folder.write("data/blue/1.png", plain_png(32, 32, 0, 0, 200));
  folder.write("data/blue/2.png", plain_png(32, 32, 10, 0, 0));  // looks red
  std::string worst = (folder / "worst").string();
  json figures = evaluated({model, (folder / "data").string(), "--top", "2", "--worst", worst, "--worst-count", "2"});
  EXPECT_EQ(figures["task"], "classification");
  EXPECT_DOUBLE_EQ(figures["top1"], 0.75);
  EXPECT_DOUBLE_EQ(figures["topk"]["accuracy"], 1);
  EXPECT_DOUBLE_EQ(figures["balanced_accuracy"], 0.75);
  EXPECT_NEAR(figures["macro_f1"], (0.8 + 2.0 / 3) / 2, 1e-9);
  EXPECT_NEAR(of_class(figures, "red")["precision"], 2.0 / 3, 1e-9);
  EXPECT_NEAR(of_class(figures, "red")["f1"], 0.8, 1e-9);
  EXPECT_NEAR(of_class(figures, "blue")["recall"], 0.5, 1e-9);
  EXPECT_EQ(figures["confusion"], json::parse("[[2, 0], [1, 1]]"));
  ASSERT_EQ(figures["worst"].size(), 1u) << "right answers that are certain are not wrong: " << figures["worst"].dump();
  EXPECT_THAT(figures["worst"][0]["file"].get<std::string>(), testing::EndsWith("blue/2.png"));
  EXPECT_THAT(figures["worst"][0]["truth"].get<std::string>(), testing::StartsWith("blue"));
  EXPECT_GT(decode_image(folder / "worst/001.jpg").dim(1), 300) << "small pictures are enlarged";
  EXPECT_THAT(read_text_file(folder / "worst/index.html"), testing::HasSubstr("001.jpg"));
}

TEST(Evaluation, LevelsOfClasses) {
  TemporaryFolder folder;
  Graph graph = parse_text(R"(graph "tree" {
    input %x: f32[N, 3, 8, 8]
    const %four: f32[] = [4]
    %pool = GlobalAveragePool(%x)
    %flat = Flatten(%pool)
    %y = Mul(%flat, %four)
    output "scores" = %y
  })");
  attach_preprocess(graph, {.height = 8, .width = 8, .mean = {0, 0, 0}, .std = {255, 255, 255}, .antialias = false});
  set_labels(graph, {"warm/red", "warm/yellow", "cold"});
  std::string model = write_model(folder, "model.onnx", graph);
  folder.write("data/warm/red/a.png", plain_png(8, 8, 102, 89, 115));  // most of all blue, but warm all together
  folder.write("data/warm/yellow/b.png", plain_png(8, 8, 0, 255, 0));
  folder.write("data/cold/c.png", plain_png(8, 8, 0, 0, 255));
  json figures = evaluated({model, (folder / "data").string()});
  EXPECT_NEAR(figures["top1"], 2.0 / 3, 1e-9);
  ASSERT_EQ(figures["levels"].size(), 1u);
  EXPECT_DOUBLE_EQ(figures["levels"][0]["accuracy"], 1);
  EXPECT_EQ(figures["levels"][0]["confusion"], json::parse("[[2, 0], [0, 1]]"));
  Result text = hone({"eval", model, (folder / "data").string()});
  EXPECT_THAT(text.out, testing::HasSubstr("level 1 (warm, cold): accuracy 100.0%"));
}

TEST(Evaluation, MultiLabelFigures) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "model.onnx", color_classifier("multi-label"));
  folder.write("data/1.png", plain_png(32, 32, 16, 0, 0));
  folder.write("data/2.png", plain_png(32, 32, 0, 0, 16));
  folder.write("data/3.png", plain_png(32, 32, 9, 0, 9));
  folder.write("data/4.png", plain_png(32, 32, 8, 0, 0));
  folder.write("data/labels.csv", "file,blue,red\n1.png,0,1\n2.png,1,0\n3.png,1,1\n4.png,1,0\n");
  std::string worst = (folder / "worst").string();
  json figures = evaluated({model, (folder / "data").string(), "--worst", worst});
  EXPECT_EQ(figures["task"], "multi-label");
  EXPECT_NEAR(figures["map"], (1.0 / 2 + 1.0 / 2 * 2 / 3 + 1) / 2, 1e-9);
  EXPECT_NEAR(of_class(figures, "red")["ap"], 5.0 / 6, 1e-9);
  EXPECT_NEAR(of_class(figures, "red")["precision"], 2.0 / 3, 1e-9);
  EXPECT_NEAR(of_class(figures, "red")["recall"], 1, 1e-9);
  EXPECT_NEAR(of_class(figures, "blue")["recall"], 2.0 / 3, 1e-9);
  EXPECT_NEAR(of_class(figures, "blue")["f1"], 0.8, 1e-9);
  EXPECT_NEAR(figures["macro_f1"], 0.8, 1e-9);
  EXPECT_NEAR(figures["micro_f1"], 0.8, 1e-9);
  EXPECT_NEAR(figures["exact_match"], 0.75, 1e-9);
  ASSERT_EQ(figures["worst"].size(), 1u);
  EXPECT_THAT(figures["worst"][0]["file"].get<std::string>(), testing::EndsWith("4.png"));
  // A higher threshold: only images 1 and 2 get an answer, and 4.
  json strict = evaluated({model, (folder / "data").string(), "--score", "0.9"});
  EXPECT_NEAR(of_class(strict, "red")["recall"], 0.5, 1e-9);
  EXPECT_NEAR(of_class(strict, "blue")["recall"], 1.0 / 3, 1e-9);
  // The same network as one that was not said to be multi-label.
  std::string plain = write_model(folder, "plain.onnx", color_classifier());
  EXPECT_EQ(evaluated({plain, (folder / "data").string(), "--task", "multi-label"})["micro_f1"], figures["micro_f1"]);
}

/// Two pictures of 100x100: the fixed detector is right in the first; of the second it misses the pear.
std::string write_fruit(const TemporaryFolder& folder) {
  folder.write("data/a.png", plain_png(100, 100, 20, 90, 30));
  folder.write("data/b.png", plain_png(100, 100, 90, 20, 30));
  folder.write("data/instances.json", R"({"images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 100},
      {"id": 2, "file_name": "b.png", "width": 100, "height": 100}],
    "categories": [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0},
      {"id": 2, "image_id": 1, "category_id": 2, "bbox": [50, 50, 50, 50], "area": 2500, "iscrowd": 0},
      {"id": 3, "image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0},
      {"id": 4, "image_id": 2, "category_id": 2, "bbox": [0, 50, 50, 50], "area": 2500, "iscrowd": 0}]})");
  return (folder / "data").string();
}

TEST(Evaluation, DetectionFigures) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "model.onnx", fixed_detector());
  std::string worst = (folder / "worst").string();
  json figures = evaluated({model, write_fruit(folder), "--worst", worst});
  // Apples: all found. Pears: the first of four boxes is right, half of them are found: precision 1 up to a recall of
  // 0.5.
  EXPECT_NEAR(figures["map"], (1 + 51.0 / 101) / 2, 1e-9);
  EXPECT_NEAR(figures["map50"], (1 + 51.0 / 101) / 2, 1e-9);
  EXPECT_NEAR(figures["map_medium"], (1 + 51.0 / 101) / 2, 1e-9);
  EXPECT_DOUBLE_EQ(figures["map_small"], -1);
  EXPECT_NEAR(figures["ar1"], 0.75, 1e-9);
  EXPECT_NEAR(figures["voc_map"], 0.75, 1e-9);
  EXPECT_NEAR(figures["voc07_map"], (1 + 6.0 / 11) / 2, 1e-9);
  EXPECT_NEAR(of_class(figures, "pear")["voc_ap"], 0.5, 1e-9);
  EXPECT_NEAR(of_class(figures, "pear")["voc07_ap"], 6.0 / 11, 1e-9);
  ASSERT_EQ(figures["worst"].size(), 1u);
  EXPECT_NEAR(figures["worst"][0]["wrong"], 1.6, 1e-6) << "one pear missed, one box with 0.6 where none is";
  EXPECT_EQ(figures["worst"][0]["answer"], "1 found, 1 missed, 1 wrong");
  Tensor picture = decode_image(folder / "worst/001.jpg");
  EXPECT_GT(picture.dim(1), 2 * picture.dim(0) - 20) << "truth and answer side by side";
}

TEST(Evaluation, SegmentationFigures) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "model.onnx", color_segmenter());
  Tensor image = Tensor::zeros(DType::u8, {16, 16, 3}), mask = Tensor::zeros(DType::u8, {16, 16});
  for (size_t i = 0; i < 256; ++i) {
    image.mutable_data<uint8_t>()[3 * i + (i % 16 < 8 ? 0 : 2)] = 250;
    mask.mutable_data<uint8_t>()[i] = i % 16 < 10 ? 0 : 1;
  }
  folder.write("data/images/1.png", encode_png(image));
  folder.write("data/masks/1.png", encode_png(mask));
  folder.write("data/classes.txt", "red\nblue\n");
  std::string worst = (folder / "worst").string();
  json figures = evaluated({model, (folder / "data").string(), "--worst", worst});
  EXPECT_NEAR(figures["miou"], (0.8 + 0.75) / 2, 1e-9);
  EXPECT_NEAR(figures["dice"], (256.0 / 288 + 192.0 / 224) / 2, 1e-9);
  EXPECT_NEAR(figures["pixel_accuracy"], 224.0 / 256, 1e-9);
  EXPECT_NEAR(figures["mean_accuracy"], 0.9, 1e-9);
  EXPECT_NEAR(of_class(figures, "blue")["iou"], 0.75, 1e-9);
  EXPECT_NEAR(of_class(figures, "blue")["precision"], 0.75, 1e-9);
  EXPECT_NEAR(of_class(figures, "red")["recall"], 0.8, 1e-9);
  ASSERT_EQ(figures["worst"].size(), 1u);
  EXPECT_NEAR(figures["worst"][0]["wrong"], 1 - 0.775, 1e-9);
}

TEST(Evaluation, WorstPicturesOfAnEarlierRunAreRemoved) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "model.onnx", color_classifier());
  for (int i = 0; i < 3; ++i) folder.write("data/blue/" + std::to_string(i) + ".png", plain_png(32, 32, 5 + i, 0, 0));
  folder.write("data/red/1.png", plain_png(32, 32, 200, 0, 0));
  std::string worst = (folder / "worst").string();
  json all = evaluated({model, (folder / "data").string(), "--worst", worst});
  ASSERT_EQ(all["worst"].size(), 3u);
  EXPECT_GE(all["worst"][0]["wrong"], all["worst"][1]["wrong"]);
  EXPECT_EQ(evaluated({model, (folder / "data").string(), "--worst", worst, "--worst-count", "1"})["worst"].size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(folder / "worst/001.jpg"));
  EXPECT_FALSE(std::filesystem::exists(folder / "worst/002.jpg"));
}

TEST(Evaluation, WrongOptionsAreExplained) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "model.onnx", color_classifier());
  std::string data = write_data(folder, 1);
  EXPECT_EQ(hone({"eval", model, data, "--task", "detection"}).code, 1);
  EXPECT_EQ(hone({"eval", model, data, "--worst-count", "0"}).code, 2);
  folder.write("file", "");
  Result blocked = hone({"eval", model, data, "--worst", (folder / "file").string()});
  EXPECT_EQ(blocked.code, 1);
  EXPECT_THAT(blocked.err, testing::HasSubstr("file"));
}

}  // namespace
}  // namespace hone::app_test
