#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/random.hpp"
#include "devices/devices.hpp"
#include "export/export.hpp"
#include "import/import.hpp"
#include "onnxruntime.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"
#include "train/detection/decode.hpp"
#include "train/templates.hpp"

namespace hone {
namespace {

constexpr const char* names[] = {"ssd_mobilenet_v2", "atss", "yolox_nano"};
const Preprocess preprocess{.height = 64, .width = 96, .mean = {120, 120, 120}, .std = {60, 60, 60}};
const DetectorOptions options{.score_threshold = 0.005, .nms_iou = 0.5, .max_per_class = 20, .candidates = 60};

/// Random weights; the last layers are made louder and lose the bias that makes all scores small and alike, so that
/// scores and boxes differ from place to place.
Graph random_detector(const std::string& name) {
  Graph graph = build_template(name, {.classes = 3, .width = 0.25, .height = 64, .width_px = 96, .seed = 2});
  for (Value* value : graph.constants()) {
    bool last = value->name.find("class") != std::string::npos || value->name.find("box") != std::string::npos ||
                value->name.find("logits") != std::string::npos;
    bool prior = value->name.ends_with("logits.bias") || value->name.ends_with("objectness.bias");
    if (prior) graph.set_constant(value, Tensor::zeros(DType::f32, value->constant().dims()));
    if (!last || value->constant().rank() != 4 || value->constant().dim(2) != 1) continue;
    Tensor louder = value->constant().clone();
    for (float& w : louder.mutable_data<float>()) w *= 10;
    graph.set_constant(value, louder);
  }
  return graph;
}

/// Patches of random colors: unlike noise, they look different from place to place, so that scores have an order.
Tensor random_images(int64_t count, int64_t height, int64_t width) {
  constexpr int64_t patch = 12;
  Tensor images(DType::u8, {count, height, width, 3});
  uint8_t* value = images.mutable_data<uint8_t>().data();
  for (int64_t n = 0; n < count; ++n)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        Rng rng = Rng::of(7, static_cast<uint64_t>(n), static_cast<uint64_t>(y / patch * 100 + x / patch));
        for (int c = 0; c < 3; ++c) *value++ = static_cast<uint8_t>(rng.below(256));
      }
  return images;
}

std::vector<Tensor> run(const Graph& graph, const Tensor& images) {
  Session session(load(graph));
  return session.run(std::span(&images, 1));
}

/// The rows that plain code finds in the raw outputs.
std::vector<std::array<float, 7>> reference(const Graph& detector, const Tensor& images) {
  Graph raw = detector.clone();
  attach_preprocess(raw, preprocess);
  std::vector<Tensor> outputs = run(raw, images);
  DetectorHead head = detector_head(detector);
  std::vector<Anchor> anchors = anchors_of(head);
  std::vector<std::array<float, 7>> rows;
  auto height = static_cast<float>(images.dim(1)), width = static_cast<float>(images.dim(2));
  for (int64_t n = 0; n < images.dim(0); ++n) {
    auto at = [&](size_t i) { return outputs[i].data<float>().data() + n * outputs[i].dim(1) * outputs[i].dim(2); };
    RawOutputs one{at(0), at(1), outputs.size() > 2 ? at(2) : nullptr};
    for (const DecodedBox& d : decode_detections(head, anchors, one, options)) {
      auto x = [&](float value) { return std::clamp(value / 96, 0.0f, 1.0f) * width; };
      auto y = [&](float value) { return std::clamp(value / 64, 0.0f, 1.0f) * height; };
      rows.push_back({static_cast<float>(n), static_cast<float>(d.label), d.score, x(d.box.left), y(d.box.top),
                      x(d.box.right), y(d.box.bottom)});
    }
  }
  return rows;
}

void expect_rows(const Tensor& found, const std::vector<std::array<float, 7>>& wanted, const std::string& name) {
  ASSERT_EQ(found.dims(), (Dims{static_cast<int64_t>(wanted.size()), 7})) << name;
  auto values = found.data<float>();
  for (size_t i = 0; i < wanted.size(); ++i)
    for (size_t k = 0; k < 7; ++k)
      ASSERT_NEAR(values[7 * i + k], wanted[i][k], k < 3 ? 1e-4 : 0.02) << name << " row " << i << " column " << k;
}

TEST(FinishedDetector, ComputesWhatPlainCodeDoes) {
  Tensor images = random_images(2, 50, 110);
  for (const char* name : names) {
    Graph detector = random_detector(name), shipped = finish_detector(detector, preprocess, options);
    EXPECT_EQ(shipped.metadata.at("hone.task"), "detection");
    ASSERT_EQ(shipped.outputs().size(), 1u);
    auto wanted = reference(detector, images);
    EXPECT_GT(wanted.size(), 10u) << name;
    expect_rows(run(shipped, images)[0], wanted, name);
  }
}

TEST(FinishedDetector, MayFindNothing) {
  DetectorOptions strict = options;
  strict.score_threshold = 0.9999;
  Graph shipped = finish_detector(random_detector("atss"), preprocess, strict);
  EXPECT_EQ(run(shipped, random_images(1, 40, 40))[0].dims(), (Dims{0, 7}));
}

TEST(FinishedDetector, AgreesWithOnnxRuntime) {
  std::string reason = peers::why_not_available();
  if (!reason.empty()) GTEST_SKIP() << reason;
  Tensor images = random_images(2, 50, 110);
  TemporaryFolder folder;
  auto file = folder / "detector.onnx";
  for (const char* name : names) {
    Graph detector = random_detector(name);
    export_model(finish_detector(detector, preprocess, options), file);
    expect_rows(run(import_model(file), images)[0], reference(detector, images), name);
    expect_rows(peers::run_onnxruntime(file, std::span(&images, 1))[0], reference(detector, images),
                std::string("peer, ") + name);
  }
}

TEST(FinishedDetector, RefusesOtherGraphs) {
  Graph classifier = build_template("mobilenet_v2", {.classes = 3, .width = 0.25, .height = 64, .width_px = 96});
  EXPECT_THROW(finish_detector(classifier, preprocess), Error);
  Preprocess other = preprocess;
  other.width = 64;
  EXPECT_THROW(finish_detector(random_detector("atss"), other), Error);
}

}  // namespace
}  // namespace hone
