#include "onnxruntime.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/dataset.hpp"
#include "data/image.hpp"
#include "data/metrics.hpp"
#include "devices/devices.hpp"
#include "export/export.hpp"
#include "graph/preprocess.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "import/import.hpp"
#include "quantize/quantize.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

namespace hone::peers {
namespace {

namespace fs = std::filesystem;

class OnnxRuntime : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string reason = why_not_available();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  TemporaryFolder folder_;
};

/// An inverted-residual network of random weights for images of any size.
Graph small_network() {
  Graph graph = parse_text(R"(graph "small" {
    input %x: f32[N, 3, 32, 32]
    const %w1: f32[16, 3, 3, 3] = random(1)
    const %b1: f32[16] = random(2)
    const %low: f32[] = [0]
    const %six: f32[] = [6]
    const %w2: f32[16, 1, 3, 3] = random(3)
    const %w3: f32[16, 16, 1, 1] = random(4)
    const %w4: f32[24, 16, 3, 3] = random(5)
    const %fc: f32[10, 24] = random(6)
    const %fcb: f32[10] = random(7)
    %c1 = Conv(%x, %w1, %b1) {pads=[1, 1, 1, 1], strides=[2, 2]}
    %r1 = Clip(%c1, %low, %six)
    %c2 = Conv(%r1, %w2) {pads=[1, 1, 1, 1], group=16}
    %r2 = Clip(%c2, %low, %six)
    %c3 = Conv(%r2, %w3)
    %a = Add(%c3, %r1)
    %p = MaxPool(%a) {kernel_shape=[2, 2], strides=[2, 2]}
    %c4 = Conv(%p, %w4) {strides=[2, 2]}
    %h = HardSwish(%c4)
    %g = GlobalAveragePool(%h)
    %f = Flatten(%g)
    %y = Gemm(%f, %fc, %fcb) {transB=1}
    output "logits" = %y
  })");
  attach_preprocess(graph, {.height = 32, .width = 32, .mean = {120, 115, 105}, .std = {58, 57, 56}});
  return graph;
}

/// Blobs of color: images with structure on many scales.
Tensor picture(uint64_t seed, int64_t count, int64_t height, int64_t width) {
  testing_tools::Random random(seed);
  Tensor image(DType::u8, {count, height, width, 3});
  auto pixels = image.mutable_data<uint8_t>();
  for (int64_t n = 0; n < count; ++n) {
    float wave[3][4];
    for (auto& channel : wave)
      for (float& value : channel) value = random.real(0, 1);
    for (int64_t i = 0; i < height * width; ++i)
      for (int c = 0; c < 3; ++c) {
        float phase = 12 * wave[c][0] * static_cast<float>(i / width) / static_cast<float>(height) +
                      12 * wave[c][1] * static_cast<float>(i % width) / static_cast<float>(width) + 6 * wave[c][2];
        pixels[static_cast<size_t>((n * height * width + i) * 3 + c)] =
            static_cast<uint8_t>(127 + 120 * wave[c][3] * std::sin(phase) + random.real(-7, 7));
      }
  }
  return image;
}

Graph quantized(const Graph& graph, std::vector<Tensor> samples, const QuantizeOptions& options = {}) {
  size_t next = 0;
  CalibrationSource source = [&](std::vector<Tensor>& inputs) {
    if (next == samples.size()) return false;
    inputs = {samples[next++]};
    return true;
  };
  MakeRunner runner = [](const Graph& observed) -> RunModel {
    auto session = std::make_shared<Session>(load(observed));
    return [session](std::span<const Tensor> inputs) { return session->run(inputs); };
  };
  return quantize(graph, source, runner, options);
}

TEST_F(OnnxRuntime, ComputesTheSameFloatOutputsFromAnExportedFile) {
  Graph graph = small_network();
  export_model(graph, folder_ / "small.onnx");
  Session session(load(import_model(folder_ / "small.onnx")));
  for (auto [height, width] : {std::pair{32, 32}, {75, 50}, {20, 140}}) {
    std::vector<Tensor> images{picture(1, 3, height, width)};
    EXPECT_LT(worst_relative(session.run(images)[0], run_onnxruntime(folder_ / "small.onnx", images)[0]), 1e-3)
        << height << "x" << width;
  }
}

TEST_F(OnnxRuntime, AgreesOnTheQuantizedFile) {
  std::vector<Tensor> samples;
  for (uint64_t i = 0; i < 8; ++i) samples.push_back(picture(100 + i, 4, 40, 40));
  Graph int8 = quantized(small_network(), samples);
  export_model(int8, folder_ / "small.int8.onnx");
  Session session(load(import_model(folder_ / "small.int8.onnx")));
  std::vector<Tensor> images{picture(5, 200, 40, 40)};
  EXPECT_GE(agreement(session.run(images)[0], run_onnxruntime(folder_ / "small.int8.onnx", images)[0]), 0.98);
}

TEST_F(OnnxRuntime, AgreesOnDynamicallyQuantizedProducts) {
  // As its own dynamic quantizer writes them: u8 weights with a zero point, i8 weights with scales for each column.
  Graph graph = parse_text(R"(graph "dynamic" {
    input %x: f32[N, 6, 9, 9]
    const %w: u8[16, 6, 3, 3] = random(1)
    const %ws: f32[] = [0.02]
    const %wz: u8[] = [119]
    const %b: f32[1, 16, 1, 1] = random(2)
    const %v: i8[16, 10] = random(3)
    const %vs: f32[10] = random(4)
    const %vz: i8[10] = fill(0)
    const %c: f32[10] = random(5)
    %q, %s, %z = DynamicQuantizeLinear(%x)
    %p = ConvInteger(%q, %w, %z, %wz) {pads=[1, 1, 1, 1], strides=[2, 2]}
    %f = Cast(%p) {to=1}
    %m = Mul(%s, %ws)
    %r = Mul(%f, %m)
    %a = Add(%r, %b)
    %relu = Relu(%a)
    %g = GlobalAveragePool(%relu)
    %flat = Flatten(%g)
    %q2, %s2, %z2 = DynamicQuantizeLinear(%flat)
    %p2 = MatMulInteger(%q2, %v, %z2, %vz)
    %f2 = Cast(%p2) {to=1}
    %m2 = Mul(%s2, %vs)
    %r2 = Mul(%f2, %m2)
    %y = Add(%r2, %c)
    output "y" = %y
  })");
  export_model(graph, folder_ / "dynamic.onnx");
  std::vector<Tensor> inputs = testing_tools::random_inputs(graph, 3, 1);
  Session session(load(import_model(folder_ / "dynamic.onnx")));
  EXPECT_LT(worst_relative(session.run(inputs)[0], run_onnxruntime(folder_ / "dynamic.onnx", inputs)[0]), 1e-3);
  for (const StepInfo& step : session.plan()->steps()) EXPECT_FALSE(step.kernel.starts_with("reference")) << step.op;
}

struct RealModel {
  const char* name;
  const char* file;
  Preprocess preprocess;
};

/// The plain input of a model for `count` images of a labelled set.
Tensor plain_inputs(const fs::path& csv, const Preprocess& preprocess, size_t first, size_t count) {
  Dataset set = read_csv_labels(csv);
  Graph only;
  only.add_output("x", only.add_input("x", DType::f32, Shape{Dim::named("N"), 3, preprocess.height, preprocess.width}));
  attach_preprocess(only, preprocess);
  Tensor batch(DType::f32, {static_cast<int64_t>(count), 3, preprocess.height, preprocess.width});
  float* out = batch.mutable_data<float>().data();
  Session session(load(only));
  for (size_t i = 0; i < count; ++i) {
    Tensor image = decode_image(set.samples.at(first + i).path);
    std::vector<Tensor> one{image.reshaped({1, image.dim(0), image.dim(1), 3})};
    std::vector<float> values = session.run(one)[0].to_floats();
    out = std::copy(values.begin(), values.end(), out);
  }
  return batch;
}

/// How many rows are the same but for the last bits of floats: no 8-bit value on the way can have been another.
int64_t equal_rows(const Tensor& a, const Tensor& b) {
  const int64_t rows = a.dim(0), length = a.size() / rows;
  int64_t equal = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float *x = a.data<float>().data() + r * length, *y = b.data<float>().data() + r * length;
    const float most = *std::max_element(y, y + length);
    equal += std::equal(x, x + length, y, [&](float p, float q) { return std::abs(p - q) <= 1e-5f * most; });
  }
  return equal;
}

/// Images of HONE_AGREEMENT_IMAGES, with which the table of docs/quantization.md is made; 0 without.
size_t images_of_table() {
  const char* wanted = std::getenv("HONE_AGREEMENT_IMAGES");
  return wanted ? static_cast<size_t>(std::atoi(wanted)) : 0;
}

/// Scores of a batch by reference evaluation, which keeps all values of what it runs on: one image at a time.
Tensor reference_scores(const Graph& graph, const Tensor& batch) {
  Session session(load(graph, {.device = "reference"}));
  Dims one = batch.dims();
  one[0] = 1;
  const size_t bytes = batch.bytes() / static_cast<size_t>(batch.dim(0));
  std::vector<float> scores;
  for (int64_t i = 0; i < batch.dim(0); ++i) {
    const char* image = static_cast<const char*>(batch.raw()) + static_cast<size_t>(i) * bytes;
    const std::vector<Tensor> input{Tensor(DType::f32, one, image, bytes, nullptr)};
    const std::vector<float> values = session.run(input)[0].to_floats();
    scores.insert(scores.end(), values.begin(), values.end());
  }
  return Tensor::of<float>({batch.dim(0), static_cast<int64_t>(scores.size()) / batch.dim(0)}, scores);
}

/// One line of that table: the best class of the file in Hone, in ONNX Runtime and by reference evaluation.
void expect_agreement(const std::string& name, const fs::path& file, const std::vector<Tensor>& inputs) {
  const Tensor cpu = Session(load(import_model(file))).run(inputs)[0], peer = run_onnxruntime(file, inputs)[0];
  EXPECT_GE(agreement(cpu, peer), 0.98) << name;
  if (images_of_table() == 0) return;
  const Tensor exact = reference_scores(import_model(file), inputs[0]);
  fmt::print("| {} | {:.1f}% | {} of {} | {:.1f}% | {:.1f}% |\n", name, 100 * agreement(cpu, peer),
             equal_rows(cpu, peer), cpu.dim(0), 100 * agreement(exact, peer), 100 * agreement(cpu, exact));
}

TEST_F(OnnxRuntime, AgreesOnRealClassifiers) {
  fs::path data = data_folder();
  fs::path photos = data / "data/imagenet_like_nips17";
  if (data.empty() || !fs::exists(photos)) GTEST_SKIP() << "needs the ImageNet-like photos (HONE_DATA)";
  const RealModel models[] = {
      {"squeezenet 1.1",
       "squeezenet_v1.1/squeezenet_v1.1.onnx",
       {227, 227, {104, 117, 123}, {1, 1, 1}, true, false}},
      {"mobilenet v1 0.25",
       "mobilenet_v1_0.25_224/mobilenet_v1_0.25_224.onnx",
       {224, 224, {127.5, 127.5, 127.5}, {127.5, 127.5, 127.5}, false, false}},
      {"mobilenet v2",
       "mobilenet_v2_torchvision/mobilenet_v2_tv_dequant.onnx",
       {224, 224, {123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}, false, false}},
  };
  const size_t many = images_of_table();
  for (const RealModel& model : models) {
    fs::path file = data / "models/imagenet" / model.file, int8 = folder_ / "real.int8.onnx";
    Graph graph = import_model(file);
    std::vector<Tensor> inputs{plain_inputs(photos / "eval.csv", model.preprocess, 0, many ? many : 120)};
    EXPECT_LT(worst_relative(Session(load(graph)).run(inputs)[0], run_onnxruntime(file, inputs)[0]), 1e-3)
        << model.file;
    std::vector<Tensor> samples = inputs;
    if (many) {
      samples.clear();
      for (size_t i = 0; i < 100; ++i)
        samples.push_back(plain_inputs(photos / "calib.csv", model.preprocess, i, 1));
      export_model(quantized(graph, samples), int8);
      expect_agreement(std::string(model.name) + ", default", int8, inputs);
    }
    export_model(quantized(graph, samples, {.sensitive_share = 0}), int8);
    expect_agreement(std::string(model.name) + ", all in INT8", int8, inputs);
  }
}

}  // namespace
}  // namespace hone::peers
