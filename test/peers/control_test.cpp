#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include "devices/devices.hpp"
#include "export/export.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "import/import.hpp"
#include "onnxruntime.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

// Control flow and sizes that depend on data beside ONNX Runtime.
namespace hone::peers {
namespace {

namespace fs = std::filesystem;
using namespace testing_tools;

/// Largest difference relative to the largest magnitude of b.
double largest_error(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_floats(), y = b.to_floats();
  double worst = 0, largest = 1e-30;
  for (size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::abs(double{x[i]} - y[i]));
    largest = std::max(largest, std::abs(double{y[i]}));
  }
  return worst / largest;
}

class OnnxRuntimeControl : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string reason = why_not_available();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  void expect_agreement(const fs::path& file, const std::vector<Tensor>& inputs) {
    Session session(load(import_model(file)));
    auto ours = session.run(inputs), theirs = run_onnxruntime(file, inputs);
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      ASSERT_EQ(ours[i].dims(), theirs[i].dims()) << file << " output " << i;
      EXPECT_LT(largest_error(ours[i], theirs[i]), 1e-3) << file << " output " << i;
    }
  }
  TemporaryFolder folder_;
};

TEST_F(OnnxRuntimeControl, ReadsOurBodies) {
  Graph graph = parse_text(R"(graph "nested" {
    input %n: i64[]
    input %x: f32[1, 4, 8, 8]
    const %k: f32[1, 4, 8, 8] = random(1)
    %bias = Add(%x, %k)
    %y, %all = Loop(%n, _, %x, %bias) {captures=1, body=graph "body" {
      input %i: i64[]
      input %go: bool[]
      input %s: f32[1, 4, 8, 8]
      input %bias: f32[1, 4, 8, 8]
      const %w: f32[4, 4, 3, 3] = random(2)
      const %one: i64[] = [1]
      const %two: i64[] = [2]
      const %zero: i64[] = [0]
      const %half: f32[] = [0.2]
      %c = Conv(%s, %w) {pads=[1, 1, 1, 1]}
      %d = Mul(%c, %half)
      %m = Mod(%i, %two)
      %odd = Equal(%m, %one)
      %t = If(%odd, %d, %bias) {captures=2, then_branch=graph "odd" {
        input %d: f32[1, 4, 8, 8]
        input %bias: f32[1, 4, 8, 8]
        %p = Add(%d, %bias)
        output %p
      }, else_branch=graph "even" {
        input %d: f32[1, 4, 8, 8]
        input %bias: f32[1, 4, 8, 8]
        output %d
      }}
      output %go
      output %t
      output "copy" = %t
    }}
    output "last" = %y
    output "all" = %all
  })");
  export_model(graph, folder_ / "nested.onnx");
  for (int64_t runs : {0, 1, 4})
    expect_agreement(folder_ / "nested.onnx",
                     {Tensor::scalar<int64_t>(runs), random_tensor(DType::f32, {1, 4, 8, 8}, 5)});
}

/// Waves of different lengths and noise, 0 to 1.
Tensor picture(uint64_t seed, int64_t height, int64_t width) {
  Random random(seed);
  Tensor image(DType::f32, {1, 3, height, width});
  auto pixels = image.mutable_data<float>();
  for (int64_t c = 0; c < 3; ++c) {
    float a = random.real(1, 20), b = random.real(1, 20), shift = random.real(0, 6);
    for (int64_t i = 0; i < height * width; ++i) {
      float phase = a * static_cast<float>(i / width) / static_cast<float>(height) +
                    b * static_cast<float>(i % width) / static_cast<float>(width) + shift;
      pixels[static_cast<size_t>(c * height * width + i)] = 0.5f + 0.4f * std::sin(phase) + random.real(-0.1f, 0.1f);
    }
  }
  return image;
}

/// How many detections of `a` are in `b` too: same label, box and score within 1e-3 of their range. Outputs are boxes,
/// scores and labels. Detections of nearly the same score may come in another order.
double matched(const std::vector<Tensor>& a, const std::vector<Tensor>& b, float side) {
  std::vector<float> boxes[2], scores[2];
  std::vector<int64_t> labels[2];
  for (int i = 0; i < 2; ++i) {
    const auto& side_of = i ? b : a;
    boxes[i] = side_of[0].to_floats(), scores[i] = side_of[1].to_floats(), labels[i] = side_of[2].to_ints();
  }
  size_t found = 0;
  for (size_t k = 0; k < scores[0].size(); ++k)
    for (size_t m = 0; m < scores[1].size(); ++m) {
      bool same = labels[0][k] == labels[1][m] && std::abs(scores[0][k] - scores[1][m]) <= 1e-3f;
      for (size_t c = 0; c < 4; ++c) same = same && std::abs(boxes[0][4 * k + c] - boxes[1][4 * m + c]) <= 1e-3f * side;
      if (!same) continue;
      ++found;
      break;
    }
  return scores[0].empty() ? 1 : static_cast<double>(found) / static_cast<double>(scores[0].size());
}

TEST_F(OnnxRuntimeControl, AgreesOnAWholeDetector) {
  const char* set = std::getenv("HONE_MODELS");
  fs::path file = (set ? fs::path(set) : fs::path(HONE_SOURCE_DIR) / "build/peers/models") / "ssdlite320_full.onnx";
  if (!fs::exists(file))
    GTEST_SKIP() << "needs ssdlite320_full.onnx of export_models.py in build/peers/models or HONE_MODELS";
  Session session(load(import_model(file)));
  session.run(std::vector<Tensor>{picture(1, 320, 320)});
  for (const StepInfo& step : session.plan()->steps()) {
    if (!step.op.starts_with("Conv")) continue;
    EXPECT_NE(step.kernel, "reference") << step.node;
  }
  for (uint64_t seed = 1; seed < 3; ++seed) {
    std::vector<Tensor> inputs{picture(seed, 320, 320)};
    auto ours = session.run(inputs), theirs = run_onnxruntime(file, inputs);
    ASSERT_EQ(ours[0].dims(), theirs[0].dims());
    ASSERT_GT(ours[1].size(), 0);
    // The weights are random: among 294,294 candidates many scores are equal but for rounding, and one that comes first
    // in only one of the two suppresses others there. The heads themselves (ssdlite320_raw) agree within 1e-6.
    EXPECT_GE(matched(ours, theirs, 320), 0.5);
    EXPECT_LT(largest_error(ours[1], theirs[1]), 2e-2);
  }
}

TEST_F(OnnxRuntimeControl, AgreesOnShapeArithmetic) {
  fs::path folder = data_folder() / "models/detection/ultraface";
  if (data_folder().empty() || !fs::exists(folder)) GTEST_SKIP() << "needs the ultraface models (HONE_DATA)";
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    Graph graph = import_model(entry.path());
    Dims dims = graph.inputs()[0]->shape().concrete();
    expect_agreement(entry.path(), {picture(7, dims[2], dims[3])});
  }
}

}  // namespace
}  // namespace hone::peers
