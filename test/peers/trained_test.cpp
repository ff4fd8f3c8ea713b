#ifdef HONE_PROGRAM  // only where the program can train
#include <gtest/gtest.h>

#include "app/run_hone.hpp"
#include "data/dataset.hpp"
#include "data/image.hpp"
#include "data/metrics.hpp"
#include "devices/devices.hpp"
#include "import/import.hpp"
#include "onnxruntime.hpp"
#include "run/session.hpp"

/// The files that the program writes from photos to INT8, as users make them, in ONNX Runtime.
namespace hone::peers {
namespace {

namespace fs = std::filesystem;

void run_program(const std::vector<std::string>& arguments) {
  app_test::Result result = app_test::hone(arguments);
  ASSERT_EQ(result.code, 0) << arguments[0] << ": " << result.err;
}

/// The images of a list as one u8 [N, H, W, 3] batch; they have one size.
Tensor batch_of(const fs::path& csv) {
  Dataset set = read_csv_labels(csv);
  Tensor first = decode_image(set.samples[0].path);
  Tensor batch(DType::u8, {static_cast<int64_t>(set.samples.size()), first.dim(0), first.dim(1), 3});
  uint8_t* out = batch.mutable_data<uint8_t>().data();
  for (const auto& sample : set.samples) {
    Tensor image = decode_image(sample.path);
    out = std::copy_n(image.data<uint8_t>().data(), first.size(), out);
  }
  return batch;
}

TEST(TrainedModel, GivesTheSameAnswersInOnnxRuntime) {
  std::string reason = why_not_available();
  if (!reason.empty()) GTEST_SKIP() << reason;
  TemporaryFolder folder;
  std::string data = (folder / "parts").string(), out = (folder / "model").string();
  run_program({"generate", data, "--images-per-class", "40", "--size", "80", "--classes", "bolt", "gear", "nut"});
  run_program({"train", data, "-o", out, "--epochs", "6", "--size", "48", "--width", "0.25", "--batch", "16"});
  run_program({"quantize", out + "/model.onnx", "--data", out + "/train.csv", "-o", out + "/model.int8.onnx"});
  if (HasFatalFailure()) return;
  std::vector<Tensor> images{batch_of(out + "/validation.csv")};
  auto both = [&](const std::string& file) {
    Session session(load(import_model(file)));
    return std::pair{session.run(images)[0], run_onnxruntime(file, images)[0]};
  };
  auto [ours, theirs] = both(out + "/model.onnx");
  EXPECT_LT(worst_relative(ours, theirs), 1e-3);
  auto [our_int8, their_int8] = both(out + "/model.int8.onnx");
  EXPECT_GE(agreement(our_int8, their_int8), 0.98);
}

/// A bright square on a dark ground, with its mask.
void write_scene(const TemporaryFolder& folder, const std::string& part, int number) {
  constexpr int height = 60, width = 90;
  Tensor image(DType::u8, {height, width, 3}), mask = Tensor::zeros(DType::u8, {height, width});
  int left = 5 + number * 7 % 50, top = 4 + number * 11 % 25;
  for (int i = 0; i < height * width; ++i) {
    int x = i % width - left, y = i / width - top;
    bool inside = x >= 0 && x < 28 && y >= 0 && y < 28;
    for (int c = 0; c < 3; ++c)
      image.mutable_data<uint8_t>()[static_cast<size_t>(3 * i + c)] =
          static_cast<uint8_t>((inside ? 190 : 60) + (i * 31 + number * 17 + c * 5) % 40);
    mask.mutable_data<uint8_t>()[static_cast<size_t>(i)] = inside;
  }
  folder.write("scenes/" + part + "/" + std::to_string(number) + ".png", encode_png(image));
  folder.write("scenes/" + part + "_labels/" + std::to_string(number) + ".png", encode_png(mask));
}

TEST(TrainedSegmenter, GivesTheSameAnswersInOnnxRuntime) {
  std::string reason = why_not_available();
  if (!reason.empty()) GTEST_SKIP() << reason;
  TemporaryFolder folder;
  folder.write("scenes/classes.txt", "ground\nsquare\n");
  for (int i = 0; i < 24; ++i) write_scene(folder, i < 18 ? "train" : "val", i);
  std::string data = (folder / "scenes").string(), out = (folder / "model").string();
  run_program({"train", data, "-o", out, "--epochs", "8", "--size", "48x64", "--width", "0.25", "--batch", "6"});
  run_program({"quantize", out + "/model.onnx", "--data", data, "-o", out + "/model.int8.onnx"});
  if (HasFatalFailure()) return;
  Tensor image = decode_image(folder / "scenes/val/20.png");
  std::vector<Tensor> images{image.reshaped({1, image.dim(0), image.dim(1), 3})};
  auto scores = [&](const std::string& file) {
    Session session(load(import_model(file)));
    return std::pair{session.run(images)[0], run_onnxruntime(file, images)[0]};
  };
  auto [ours, theirs] = scores(out + "/model.onnx");
  EXPECT_EQ(ours.dims(), (Dims{1, 2, 48, 64}));
  EXPECT_LT(worst_relative(ours, theirs), 1e-3);
  auto [our_int8, their_int8] = scores(out + "/model.int8.onnx");
  size_t pixels = 48 * 64, alike = 0;
  auto a = our_int8.data<float>(), b = their_int8.data<float>();
  for (size_t i = 0; i < pixels; ++i) alike += (a[i] > a[pixels + i]) == (b[i] > b[pixels + i]);
  EXPECT_GE(static_cast<double>(alike) / static_cast<double>(pixels), 0.98);
}

}  // namespace
}  // namespace hone::peers

#endif
