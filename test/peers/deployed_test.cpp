#ifdef HONE_PROGRAM  // only where the program is built
#include <gtest/gtest.h>

#include <algorithm>

#include "app/run_hone.hpp"
#include "data/image.hpp"
#include "devices/devices.hpp"
#include "import/import.hpp"
#include "onnxruntime.hpp"
#include "run/session.hpp"

/// Detectors with raw heads as `hone deploy` writes them: preprocessing, decoding and suppression are standard nodes.
namespace hone::peers {
namespace {

namespace fs = std::filesystem;

constexpr int row_size = 7;   // image, class, score, x1, y1, x2, y2 of a detection
constexpr float least = 0.2f;  // below it a candidate may fall out by a rounding in front of the suppression

using Row = std::vector<float>;

std::vector<Row> rows_of(const Tensor& detections) {
  std::vector<float> numbers = detections.to_floats();
  std::vector<Row> rows;
  for (size_t i = 0; i + row_size <= numbers.size(); i += row_size)
    rows.emplace_back(numbers.begin() + static_cast<ptrdiff_t>(i),
                      numbers.begin() + static_cast<ptrdiff_t>(i + row_size));
  return rows;
}

/// True when some row is the same detection: boxes within a pixel, scores within 0.01.
bool has(const std::vector<Row>& rows, const Row& wanted) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
    for (size_t i = 0; i < row_size; ++i)
      if (std::abs(row[i] - wanted[i]) > (i < 2 ? 0 : i == 2 ? 0.01f : 1.0f)) return false;
    return true;
  });
}

/// How many rows with a good score are missing in `others`.
int missing(const std::vector<Row>& rows, const std::vector<Row>& others, int& good) {
  int count = 0;
  for (const Row& row : rows) {
    if (row[2] < least) continue;
    ++good;
    count += !has(others, row);
  }
  return count;
}

TEST(DeployedDetectors, FindTheSameInOnnxRuntime) {
  std::string reason = why_not_available();
  if (!reason.empty()) GTEST_SKIP() << reason;
  fs::path models = data_folder() / "models/detection", photos = data_folder() / "data/coco_val128/images";
  if (data_folder().empty() || !fs::exists(models) || !fs::exists(photos)) GTEST_SKIP() << "no detectors at hand";
  std::vector<fs::path> images;
  for (const auto& entry : fs::directory_iterator(photos)) images.push_back(entry.path());
  std::sort(images.begin(), images.end());
  images.resize(std::min<size_t>(images.size(), 3));
  TemporaryFolder folder;
  int found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(models)) {
    if (entry.path().extension() != ".onnx" || entry.path().string().find("int8") != std::string::npos) continue;
    std::string out = (folder / entry.path().stem().string()).string();
    app_test::Result result = app_test::hone({"deploy", entry.path().string(), "-o", out, "--no-binary"});
    ASSERT_EQ(result.code, 0) << result.err;
    Session session(load(import_model(out + "/model.onnx")));
    int good = 0, lost = 0;
    for (const fs::path& file : images) {
      Tensor image = decode_image(file);
      std::vector<Tensor> one{image.reshaped({1, image.dim(0), image.dim(1), 3})};
      std::vector<Row> ours = rows_of(session.run(one)[0]),
                       theirs = rows_of(run_onnxruntime(out + "/model.onnx", one)[0]);
      lost += missing(ours, theirs, good) + missing(theirs, ours, good);
    }
    EXPECT_EQ(lost, 0) << entry.path().stem() << ", of " << good;
    found += good;
  }
  EXPECT_GT(found, 20);
}

}  // namespace
}  // namespace hone::peers
#endif
