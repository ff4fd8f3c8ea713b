#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "data/image.hpp"
#include "devices/devices.hpp"
#include "export/export.hpp"
#include "graph/preprocess.hpp"
#include "graph_checks.hpp"
#include "import/import.hpp"
#include "onnxruntime.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

// Every float model at hand beside ONNX Runtime, on a photo: the real ones of the data folder and what export_models.py
// wrote (build/peers/models or HONE_MODELS).
namespace hone::peers {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> models_in(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".onnx") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

int64_t known(const Shape& shape, size_t i, int64_t otherwise) {
  return shape.dims[i].known() ? shape.dims[i].value : otherwise;
}

/// Detectors of the data folder read pixels as they are (DATA.md), the other models scale them by the statistics of
/// ImageNet.
Preprocess usual_scale(const fs::path& file) {
  if (file.string().find("detection") != std::string::npos) return {};
  return {0, 0, {123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}};
}

/// A photo as a model's float input, in the layout and with the channels of `shape`.
Tensor photo(const Tensor& image, const Shape& shape, Preprocess scale) {
  bool channels_last = known(shape, 3, 0) <= 4 && known(shape, 3, 0) > 0 && known(shape, 1, 3) > 4;
  size_t first = channels_last ? 1 : 2;
  int64_t height = known(shape, first, 224), width = known(shape, first + 1, 224);
  int64_t channels = known(shape, channels_last ? 3 : 1, 3);
  Graph only;
  only.add_output("x", only.add_input("x", DType::f32, Shape{Dim::named("N"), 3, height, width}));
  scale.height = height, scale.width = width;
  attach_preprocess(only, scale);
  std::vector<Tensor> one{image.reshaped({1, image.dim(0), image.dim(1), 3})};
  std::vector<float> planes = Session(load(only)).run(one)[0].to_floats();
  Tensor out(DType::f32, channels_last ? Dims{1, height, width, channels} : Dims{1, channels, height, width});
  float* to = out.mutable_data<float>().data();
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < height * width; ++i)
      to[channels_last ? i * channels + c : c * height * width + i] =
          planes[static_cast<size_t>((c % 3) * height * width + i)];
  return out;
}

/// Some photo of the data folder.
fs::path some_photo() {
  fs::path folder = data_folder() / "data/imagenet_like_nips17/eval";
  if (data_folder().empty() || !fs::exists(folder)) return {};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files.empty() ? fs::path() : files.front();
}

bool is_quantized(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const auto& node) { return std::string_view(node->op().type()) == "DequantizeLinear"; });
}

/// torchvision's transformer begins with a head of zeros, which would hide every difference before it.
bool fill_zero_weights(Graph& graph) {
  bool filled = false;
  for (Value* value : graph.constants()) {
    const Tensor& weights = value->constant();
    if (weights.dtype() != DType::f32 || weights.rank() != 2) continue;
    std::vector<float> values = weights.to_floats();
    if (std::any_of(values.begin(), values.end(), [](float w) { return w != 0; })) continue;
    graph.set_constant(value, testing_tools::random_tensor(DType::f32, weights.dims(), 1));
    filled = true;
  }
  return filled;
}

void expect_same_outputs(fs::path file, const Tensor& image) {
  SCOPED_TRACE(file.filename().string());
  Graph graph = import_model(file);
  TemporaryFolder folder;
  if (fill_zero_weights(graph)) {
    file = folder / file.filename().string();
    export_model(graph, file);
  }
  // Of 8-bit files only the classes can be compared (onnxruntime_test.cpp).
  if (is_quantized(graph)) return;
  ASSERT_EQ(graph.inputs().size(), 1u);
  const Value& input = *graph.inputs()[0];
  std::vector<Tensor> inputs{input.dtype() == DType::u8 ? image.reshaped({1, image.dim(0), image.dim(1), 3})
                                                        : photo(image, input.shape(), usual_scale(file))};
  auto ours = Session(load(graph)).run(inputs), theirs = run_onnxruntime(file, inputs);
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    ASSERT_EQ(ours[i].dims(), theirs[i].dims()) << "output " << i;
    EXPECT_LT(worst_relative(ours[i], theirs[i]), 1e-3) << "output " << i;
  }
}

void expect_same_outputs_of(const std::vector<fs::path>& files) {
  std::string reason = why_not_available();
  if (!reason.empty()) GTEST_SKIP() << reason;
  if (some_photo().empty()) GTEST_SKIP() << "needs the ImageNet-like photos (HONE_DATA)";
  if (files.empty()) GTEST_SKIP() << "needs the models of export_models.py in build/peers/models or HONE_MODELS";
  Tensor image = decode_image(some_photo());
  for (const fs::path& file : files)
    // The number of detections of a whole detector varies: see control_test.cpp.
    if (file.stem() != "ssdlite320_full") expect_same_outputs(file, image);
}

TEST(RealModels, GiveTheOutputsOfOnnxRuntime) { expect_same_outputs_of(models_in(data_folder() / "models")); }

TEST(ExportedModels, GiveTheOutputsOfOnnxRuntime) {
  const char* set = std::getenv("HONE_MODELS");
  expect_same_outputs_of(models_in(set ? fs::path(set) : fs::path(HONE_SOURCE_DIR) / "build/peers/models"));
}

}  // namespace
}  // namespace hone::peers
