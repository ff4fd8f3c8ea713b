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

}  // namespace
}  // namespace hone::peers

#endif
