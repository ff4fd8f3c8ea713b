#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "devices/devices.hpp"
#include "graph/preprocess.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::Random;
using testing_tools::random_inputs;

/// The cpu device against reference evaluation, at 1, 2 and 3 threads, twice (the second run reuses the state).
void check_cpu(const Graph& graph, uint64_t seed, double absolute, int64_t batch = 2,
               const std::vector<std::string>& disabled = {}) {
  auto inputs = random_inputs(graph, seed, batch);
  auto expected = evaluate(graph, inputs);
  for (int threads : {1, 2, 3}) {
    Session session(load(graph, {.device = "cpu", .threads = threads, .disabled_kernels = disabled}));
    for (int round = 0; round < 2; ++round) {
      auto got = session.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i)
        expect_near(got[i], expected[i], 1e-4, absolute, fmt::format("seed {} threads {} output {}", seed, threads, i));
    }
  }
}

const std::vector<std::string> our_kernels = {"native_conv", "native_gemm", "native_depthwise"};
const std::vector<std::string> onednn_kernels = {"onednn_deep_conv"};

std::string conv_text(Random& random, bool integer) {
  int64_t group = random.pick<int64_t>({1, 1, 1, 2}), in = group * random.integer(1, 20),
          out = group * random.integer(1, 20);
  if (random.integer(0, 3) == 0) group = in = out = random.integer(1, 40);  // depthwise
  int64_t kernel = random.pick<int64_t>({1, 3, 3, 5, 7}), stride = random.integer(1, 2),
          dilation = kernel > 1 ? random.integer(1, 2) : 1;
  int64_t height = random.integer(7, 17), width = random.pick<int64_t>({random.integer(7, 17), random.integer(18, 40)});
  int64_t batch = random.integer(1, 3);
  int64_t extent = (kernel - 1) * dilation + 1;
  auto pad = [&] {
    return random.integer(std::max<int64_t>(0, (extent - std::min(height, width) + 1)), extent / 2 + 1);
  };
  std::string attributes = fmt::format("{{group={}, strides=[{}, {}], dilations=[{}, {}], pads=[{}, {}, {}, {}]}}",
                                       group, stride, stride, dilation, dilation, pad(), pad(), pad(), pad());
  const char* act =
      random.pick<const char*>({"Relu(%c)", "Identity(%c)", "HardSwish(%c)", "Clip(%c, %low, %high)", "Sigmoid(%c)"});
  std::string text = fmt::format("graph \"g\" {{\n input %x: f32[{}, {}, {}, {}]\n", batch, in, height, width);
  text += "const %low: f32[] = [0]\nconst %high: f32[] = [0.6]\n";
  if (!integer) {
    text += fmt::format("const %w: f32[{}, {}, {}, {}] = random({})\nconst %b: f32[{}] = random(2)\n", out, in / group,
                        kernel, kernel, random.integer(1, 1000), out);
    text += "%c = Conv(%x, %w, %b) " + attributes + "\n";
    text += fmt::format("%a = {}\n%t = Tanh(%c)\n%r = Add(%a, %t)\n%y = Relu(%r)\noutput \"y\" = %y\n}}", act);
    return text;
  }
  const char* type = random.pick<const char*>({"u8", "i8"});
  int64_t zero = type[0] == 'u' ? random.pick<int64_t>({0, 128, 77}) : random.pick<int64_t>({0, 5});
  text += fmt::format("const %s: f32[] = [0.01]\nconst %z: {}[] = [{}]\n", type, zero);
  text += fmt::format("const %w: i8[{}, {}, {}, {}] = random({})\nconst %ws: f32[{}] = fill(0.003)\n", out, in / group,
                      kernel, kernel, random.integer(1, 1000), out);
  text += fmt::format("const %b: f32[{}] = random(2)\n", out);
  text +=
      "%q = QuantizeLinear(%x, %s, %z)\n%d = DequantizeLinear(%q, %s, %z)\n%dw = DequantizeLinear(%w, %ws) {axis=0}\n";
  text += "%c = Conv(%d, %dw, %b) " + attributes + fmt::format("\n%a = {}\n", act);
  text += fmt::format("const %os: f32[] = [0.03]\nconst %oz: {}[] = [{}]\n", type, zero);
  // As quantization puts it in front of depthwise convolutions.
  bool factor = random.integer(0, 2) == 0;
  if (factor) text += fmt::format("const %f: f32[1, {}, 1, 1] = random(4)\n%m = Mul(%a, %f)\n", out);
  text += factor ? "%qa = QuantizeLinear(%m, %os, %oz)\n" : "%qa = QuantizeLinear(%a, %os, %oz)\n";
  text += "%y = DequantizeLinear(%qa, %os, %oz)\noutput \"y\" = %y\n}";
  return text;
}

TEST(CpuDevice, FloatConvolutionsMatchTheReference) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    std::string text = conv_text(random, false);
    SCOPED_TRACE(text);
    check_cpu(parse_text(text), seed, 2e-4);
    check_cpu(parse_text(text), seed, 2e-4, 2, our_kernels);
  }
}

TEST(CpuDevice, IntegerConvolutionsMatchTheReferenceWithinOneStep) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    std::string text = conv_text(random, true);
    SCOPED_TRACE(text);
    check_cpu(parse_text(text), seed, 0.0301);
    check_cpu(parse_text(text), seed, 0.0301, 2, our_kernels);
    check_cpu(parse_text(text), seed, 0.0301, 2, onednn_kernels);
  }
}

TEST(CpuDevice, FactorOfEachChannelIsPartOfTheConvolution) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 16, 9, 9]
    const %s: f32[] = [0.01]
    const %z: u8[] = [128]
    const %w: i8[24, 16, 1, 1] = random(1)
    const %ws: f32[24] = fill(0.003)
    const %f: f32[1, 24, 1, 1] = random(4)
    %q = QuantizeLinear(%x, %s, %z)
    %d = DequantizeLinear(%q, %s, %z)
    %dw = DequantizeLinear(%w, %ws) {axis=0}
    %c = Conv(%d, %dw)
    %a = HardSwish(%c)
    %m = Mul(%a, %f)
    %qa = QuantizeLinear(%m, %s, %z)
    %y = DequantizeLinear(%qa, %s, %z)
    output "y" = %y
  })");
  Session session(load(graph, {.threads = 1}));
  session.run(random_inputs(graph, 1, 1));
  std::string ops;
  for (const StepInfo& step : session.plan()->steps()) ops += step.op + " by " + step.kernel + "; ";
  EXPECT_NE(ops.find("Conv+HardSwish+Mul int8"), std::string::npos) << ops;
  EXPECT_EQ(ops.find("reference"), std::string::npos) << ops;
}

TEST(CpuDevice, ResidualsViewsAndSharedOutputs) {
  check_cpu(parse_text(R"(graph "g" {
    input %x: f32[N, 8, 6, 5]
    const %w: f32[8, 8, 3, 3] = random(1)
    const %w2: f32[8, 8, 1, 1] = random(3)
    const %fc: f32[8, 10] = random(4)
    const %fcb: f32[10] = random(5)
    const %flat: i64[2] = [0, -1]
    %c = Conv(%x, %w) {pads=[1, 1, 1, 1]}
    %own = Add(%c, %x)
    %r = Relu(%own)
    %d = Conv(%r, %w2)
    %s = Add(%r, %d)
    %p = MaxPool(%s) {kernel_shape=[2, 2], strides=[2, 2]}
    %g = GlobalAveragePool(%p)
    %f = Reshape(%g, %flat)
    %y = Gemm(%f, %fc, %fcb)
    output "y" = %y
    output "f" = %f
    output "same" = %f
    output "x" = %x
    output "s" = %s
  })"), 5, 1e-4);
}

TEST(CpuDevice, SizesMayChangeBetweenRuns) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[N, 3, H, W]
    const %w: f32[4, 3, 3, 3] = random(1)
    %c = Conv(%x, %w)
    %g = GlobalAveragePool(%c)
    output "g" = %g
    output "c" = %c
  })");
  Session session(load(graph, {.threads = 2}));
  for (uint64_t round = 0; round < 30; ++round) {
    Random random(round);
    Dims dims{random.integer(1, 3), 3, random.integer(3, 9), random.integer(3, 9)};
    std::vector<Tensor> inputs{testing_tools::random_tensor(DType::f32, dims, round)};
    auto expected = evaluate(graph, inputs), got = session.run(inputs);
    for (size_t i = 0; i < expected.size(); ++i) expect_near(got[i], expected[i], 1e-4, 1e-4);
  }
}

TEST(CpuDevice, ImagesOfAnySizeGoThroughThePreprocessing) {
  for (bool integer : {false, true})
    for (bool bgr : {false, true}) {
      std::string text =
          "graph \"g\" {\n input %x: f32[N, 3, 8, 10]\n const %s: f32[] = [0.02]\n const %z: u8[] = [120]\n";
      text +=
          "const %w: f32[5, 3, 3, 3] = random(1)\nconst %wi: i8[5, 3, 3, 3] = random(2)\nconst %ws: f32[5] = "
          "fill(0.01)\n";
      if (integer)
        text +=
            "%q = QuantizeLinear(%x, %s, %z)\n%d = DequantizeLinear(%q, %s, %z)\n%dw = DequantizeLinear(%wi, %ws) "
            "{axis=0}\n"
            "%c = Conv(%d, %dw) {pads=[1, 1, 1, 1]}\n";
      else
        text += "%c = Conv(%x, %w) {pads=[1, 1, 1, 1]}\n";
      text += "output \"y\" = %c\n}";
      Graph graph = parse_text(text);
      attach_preprocess(
          graph,
          {.height = 8, .width = 10, .mean = {120, 110, 100}, .std = {58, 57, 56}, .bgr = bgr, .antialias = true});
      Session session(load(graph, {.threads = 2}));
      for (Dims dims : std::vector<Dims>{{1, 8, 10, 3}, {2, 31, 17, 3}, {1, 5, 40, 3}}) {
        std::vector<Tensor> inputs{testing_tools::random_tensor(DType::u8, dims, 4)};
        auto expected = evaluate(graph, inputs), got = session.run(inputs);
        // One step of the quantized input, times the largest sum of weights, where rounding falls on the other side.
        expect_near(got[0], expected[0], 1e-4, integer ? 0.03 : 1e-4, to_string(dims));
        EXPECT_EQ(session.plan()->steps()[0].op, "ImageInput");
        EXPECT_EQ(session.plan()->steps().size(), 3u);  // image, convolution, back to NCHW
      }
    }
}

TEST(CpuDevice, WrongInputsAreNamed) {
  Session session(load(parse_text(R"(graph "g" {
    input %x: f32[N, 3]
    %y = Relu(%x)
    output "y" = %y
  })")));
  auto message = [&](std::vector<Tensor> inputs) {
    try {
      session.run(inputs);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(message({Tensor::zeros(DType::f32, {2, 4})}), "input 'x': got f32[2, 4], expected f32[N, 3]");
  EXPECT_EQ(message({Tensor::zeros(DType::u8, {2, 3})}), "input 'x': got u8[2, 3], expected f32[N, 3]");
  EXPECT_EQ(message({}), "run: got 0 inputs, the model has 1");
  EXPECT_EQ(message({Tensor::zeros(DType::f32, {2, 3})}), "no error");
  EXPECT_EQ(message({Tensor::zeros(DType::u8, {2, 3})}), "input 'x': got u8[2, 3], expected f32[N, 3]");
}

TEST(CpuDevice, UnknownDeviceIsAnError) {
  EXPECT_THROW(load(Graph(), {.device = "tpu"}), Error);
}

}  // namespace
}  // namespace hone
