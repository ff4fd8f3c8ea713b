#include <gtest/gtest.h>

#include <limits>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

namespace hone {
namespace {

using testing_tools::Random;
using testing_tools::random_inputs;

/// A convolution to 8 bits whose rounded result is added to another value, then quantized again.
std::string rounded_sum(int64_t channels, const char* type, const char* act) {
  const char* zero = type[0] == 'u' ? "100" : "-3";
  return fmt::format(R"(graph "g" {{
    input %x: f32[N, {0}, 14, 14]
    const %s: f32[] = [0.02]
    const %z: {1}[] = [{2}]
    const %w: i8[64, {0}, 1, 1] = random(1)
    const %ws: f32[64] = fill(0.004)
    const %b: f32[64] = random(3)
    const %v: i8[64, {0}, 1, 1] = random(2)
    const %vs: f32[] = [0.002]
    const %coarse: f32[] = [0.7]
    const %fine: f32[] = [0.9]
    const %out: f32[] = [1.3]
    %xq = QuantizeLinear(%x, %s, %z)
    %xd = DequantizeLinear(%xq, %s, %z)
    %wd = DequantizeLinear(%w, %ws) {{axis=0}}
    %vd = DequantizeLinear(%v, %vs)
    %c = Conv(%xd, %wd, %b)
    %a = {3}(%c)
    %cq = QuantizeLinear(%a, %coarse, %z)
    %cd = DequantizeLinear(%cq, %coarse, %z)
    %d = Conv(%xd, %vd)
    %dq = QuantizeLinear(%d, %fine, %z)
    %dd = DequantizeLinear(%dq, %fine, %z)
    %sum = Add(%cd, %dd)
    %r = Identity(%sum)
    %q = QuantizeLinear(%r, %out, %z)
    %y = DequantizeLinear(%q, %out, %z)
    output "y" = %y
  }})", channels, type, zero, act);
}

/// The share of results that are not the reference's. A tie that falls the other way moves a result by a step.
double share_of_others(const std::vector<Tensor>& got, const std::vector<Tensor>& expected) {
  auto a = got[0].data<float>(), b = expected[0].data<float>();
  int64_t others = 0;
  for (size_t i = 0; i < a.size(); ++i) others += std::abs(a[i] - b[i]) > 1e-4f;
  return static_cast<double>(others) / static_cast<double>(a.size());
}

TEST(Integers, TheResultOfAConvolutionIsRoundedBeforeItIsAdded) {
  for (const char* type : {"u8", "i8"})
    for (const char* act : {"Identity", "Relu", "HardSwish"})
      for (int64_t channels : {20, 384, 960}) {
        const Graph graph = parse_text(rounded_sum(channels, type, act));
        auto inputs = random_inputs(graph, 3, 2);
        auto expected = evaluate(graph, inputs);
        for (const std::vector<std::string>& without :
             {std::vector<std::string>{"native_conv"}, {"onednn_deep_conv", "onednn_conv"}}) {
          Session session(load(graph, {.threads = 2, .disabled_kernels = without, .autotune = false}));
          EXPECT_LT(share_of_others(session.run(inputs), expected), 0.002)
              << type << ' ' << act << ' ' << channels << " without " << without[0];
          int sums = 0;
          for (const StepInfo& step : session.plan()->steps()) sums += step.op.find("+Add") != std::string::npos;
          EXPECT_EQ(sums, 1) << "the sum is not part of the convolution";
        }
      }
}

/// All of a plan's steps run on kernels.
void expect_no_reference(const Session& session, const std::string& what) {
  for (const StepInfo& step : session.plan()->steps())
    EXPECT_FALSE(step.kernel.starts_with("reference")) << what << ": " << step.op << " " << step.node;
}

/// The graph against its reference evaluation at several numbers of threads.
void check(const std::string& text, double tolerance, int64_t batch = 2) {
  SCOPED_TRACE(text);
  const Graph graph = parse_text(text);
  auto inputs = random_inputs(graph, 5, batch);
  auto expected = evaluate(graph, inputs);
  for (int threads : {1, 3}) {
    Session session(load(graph, {.threads = threads, .autotune = false}));
    for (int round = 0; round < 2; ++round)
      testing_tools::expect_near(session.run(inputs)[0], expected[0], 1e-5, tolerance,
                                 fmt::format("threads {}", threads));
    expect_no_reference(session, "threads");
  }
}

/// How a dynamic quantizer writes a convolution; `zeros`: of the weights, empty for none.
std::string dynamic_conv(Random& random, const char* type, const std::string& zeros) {
  const int64_t group = random.pick<int64_t>({1, 1, 2}), in = group * random.integer(1, 9),
                out = group * random.integer(1, 20);
  const int64_t kernel = random.pick<int64_t>({1, 3, 5}), stride = random.integer(1, 2),
                dilation = random.integer(1, 2);
  const auto pad = [&] { return random.integer(0, kernel / 2 + 1); };
  std::string text = fmt::format(
      "graph \"g\" {{\n input %x: f32[N, {0}, {1}, {2}]\nconst %w: {3}[{4}, {5}, {6}, {6}] = random(1)\nconst %ws: "
      "f32[] = [0.01]\n"
      "const %b: f32[1, {4}, 1, 1] = random(2)\n",
      in, random.integer(9, 13), random.integer(9, 13), type, out, in / group, kernel);
  if (!zeros.empty())
    text += fmt::format("const %wz: {}[{}] = {}\n", type, zeros == "many" ? fmt::to_string(out) : "",
                        zeros == "many" ? "random(3)" : "[" + zeros + "]");
  text += "%q, %s, %z = DynamicQuantizeLinear(%x)\n";
  text += fmt::format(
      "%c = ConvInteger(%q, %w, %z{}) {{group={}, strides=[{}, {}], dilations=[{}, {}], pads=[{}, {}, {}, {}]}}\n",
      zeros.empty() ? "" : ", %wz", group, stride, stride, dilation, dilation, pad(), pad(), pad(), pad());
  text +=
      "%f = Cast(%c) {to=1}\n%m = Mul(%s, %ws)\n%r = Mul(%f, %m)\n%a = Add(%r, %b)\n%y = Relu(%a)\noutput \"y\" = "
      "%y\n}";
  return text;
}

TEST(Integers, DynamicConvolutionsRunOnIntegerKernels) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Random random(seed);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const char* type = random.pick<const char*>({"u8", "i8"});
    check(dynamic_conv(random, type, random.pick<std::string>({"", "5", "127", "many"})), 1e-3);
  }
}

TEST(Integers, DynamicProductsRunOnIntegerKernels) {
  for (const char* type : {"u8", "i8"})
    for (const char* zeros : {"", "one", "many"})
      for (int64_t depth : {7, 64, 515})
        for (int64_t rows : {1, 5, 40}) {
          std::string zero_points, argument;
          if (*zeros) {
            zero_points = fmt::format("const %wz: {}[{}] = random(3)\n", type, zeros[0] == 'm' ? "33" : "");
            argument = ", %wz";
          }
          check(fmt::format(
                    "graph \"g\" {{\n input %x: f32[N, {0}, {1}]\nconst %w: {2}[{1}, 33] = random(1)\n{3}"
                    "const %ws: f32[33] = random(4)\nconst %b: f32[33] = random(2)\n%q, %s, %z = "
                    "DynamicQuantizeLinear(%x)\n"
                    "%c = MatMulInteger(%q, %w, %z{4})\n%f = Cast(%c) {{to=1}}\n%m = Mul(%s, %ws)\n%r = Mul(%m, %f)\n"
                    "%y = Add(%b, %r)\noutput \"y\" = %y\n}}",
                    rows, depth, type, zero_points, argument),
                5e-3, 1);
        }
}

TEST(Integers, ProductsOfIntegersAreExactInI32) {
  for (const char* type : {"u8", "i8"})
    for (int64_t depth : {3, 100, 129, 700}) {
      check(fmt::format(
                "graph \"g\" {{\n input %x: u8[5, {0}]\nconst %xz: u8[] = [255]\nconst %w: {1}[{0}, 40] = random(1)\n"
                "const %wz: {1}[] = [100]\n%y = MatMulInteger(%x, %w, %xz, %wz)\noutput \"y\" = %y\n}}",
                depth, type),
            0);
      check(
          fmt::format(
              "graph \"g\" {{\n input %x: u8[N, {0}, 6, 6]\nconst %w: {1}[9, {0}, 3, 3] = random(1)\nconst %wz: {1}[9] "
              "= random(2)\n"
              "const %xz: u8[] = [7]\n%y = ConvInteger(%x, %w, %xz, %wz) {{pads=[1, 1, 1, 1]}}\noutput \"y\" = %y\n}}",
              depth, type),
          0);
    }
}

TEST(Integers, TiesOfDynamicQuantizationFallAsDefined) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: f32[6]
    %y, %s, %z = DynamicQuantizeLinear(%x)
    output "y" = %y
    output "s" = %s
    output "z" = %z
  })");
  // The example of the ONNX page of the op, zeros, and values that have no range.
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& x : {std::vector<float>{0, 2, -3, -2.5f, 1.34f, 0.5f},
                                      {0, 0, 0, 0, 0, 0},
                                      {1, nan, 3, 4, 5, 6},
                                      {inf, 1, 2, -4, 0, 1}}) {
    std::vector<Tensor> inputs{Tensor::of<float>({6}, x)};
    auto expected = evaluate(graph, inputs), got = Session(load(graph, {.threads = 1})).run(inputs);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(got[i].to_floats(), expected[i].to_floats()) << i;
  }
}

TEST(Integers, UnsignedWeightsAroundTheirMiddleAreIntegers) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: u8[N, 8, 6, 6]
    const %xs: f32[] = [0.02]
    const %xz: u8[] = [3]
    const %w: u8[16, 8, 3, 3] = random(1)
    const %ws: f32[] = [0.01]
    const %wz: u8[] = [128]
    const %ys: f32[] = [0.5]
    const %yz: u8[] = [128]
    %q = QLinearConv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz)
    output "y" = %q
  })");
  auto inputs = random_inputs(graph, 3, 2);
  Session session(load(graph, {.threads = 1}));
  testing_tools::expect_near(session.run(inputs)[0].cast(DType::f32), evaluate(graph, inputs)[0].cast(DType::f32), 0, 1,
                             "one step");
  bool integers = false;
  for (const StepInfo& step : session.plan()->steps()) integers |= step.op == "Conv int8";
  EXPECT_TRUE(integers);
}

// 8 bits in and out, over the last axis, an inner one, a short and a long row; in a classifier's shape and behind a
// convolution, which puts channels last.
TEST(Integers, SoftmaxStaysInEightBits) {
  for (const auto& [dims, axis] : {std::pair{"2, 700", -1}, {"3, 10", 1}, {"2, 21, 6, 5", 1}, {"1, 3, 4, 5", 2}})
    for (const auto& [in, in_zero] : {std::pair{"u8", "120"}, {"i8", "-7"}})
      for (const auto& [out, out_zero, scale] :
           {std::tuple{"u8", "0", "0.00390625"}, {"u8", "3", "0.01"}, {"i8", "-128", "0.00390625"}}) {
        SCOPED_TRACE(fmt::format("{} axis {} {} {}", dims, axis, in, out));
        const Graph graph = parse_text(fmt::format(R"(graph "g" {{
          input %x: {0}[{1}]
          const %xs: f32[] = [0.04]
          const %xz: {0}[] = [{2}]
          const %ys: f32[] = [{3}]
          const %yz: {4}[] = [{5}]
          %d = DequantizeLinear(%x, %xs, %xz)
          %s = Softmax(%d) {{axis={6}}}
          %q = QuantizeLinear(%s, %ys, %yz)
          output "y" = %q
        }})", in, dims, in_zero, scale, out, out_zero, axis));
        auto inputs = random_inputs(graph, 5, 2);
        Session session(load(graph, {.threads = 1}));
        auto got = session.run(inputs)[0].to_ints(), expected = evaluate(graph, inputs)[0].to_ints();
        ASSERT_EQ(session.plan()->steps().size(), 1u);
        EXPECT_EQ(session.plan()->steps()[0].kernel, "hone softmax int8");
        size_t others = 0;
        for (size_t i = 0; i < got.size(); ++i) {
          EXPECT_LE(std::abs(got[i] - expected[i]), 1) << i;
          others += got[i] != expected[i];
        }
        EXPECT_LE(others, got.size() / 100) << "but for ties";
      }
}

TEST(Integers, SoftmaxBehindAConvolutionTakesChannelsLast) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: u8[1, 8, 6, 6]
    const %xs: f32[] = [0.02]
    const %xz: u8[] = [3]
    const %w: i8[16, 8, 3, 3] = random(1)
    const %ws: f32[] = [0.01]
    const %ys: f32[] = [0.5]
    const %yz: u8[] = [128]
    const %ps: f32[] = [0.00390625]
    const %pz: u8[] = [0]
    %xd = DequantizeLinear(%x, %xs, %xz)
    %wd = DequantizeLinear(%w, %ws)
    %c = Conv(%xd, %wd)
    %cq = QuantizeLinear(%c, %ys, %yz)
    %cd = DequantizeLinear(%cq, %ys, %yz)
    %s = Softmax(%cd) {axis=1}
    %q = QuantizeLinear(%s, %ps, %pz)
    output "y" = %q
  })");
  auto inputs = random_inputs(graph, 3, 2);
  Session session(load(graph, {.threads = 1}));
  testing_tools::expect_near(session.run(inputs)[0].cast(DType::f32), evaluate(graph, inputs)[0].cast(DType::f32), 0, 1,
                             "one step");
  bool integers = false, floats = false;
  for (const StepInfo& step : session.plan()->steps()) {
    integers |= step.kernel == "hone softmax int8";
    floats |= step.op.find("Quantize") != std::string::npos || step.op.find("Dequantize") != std::string::npos;
  }
  EXPECT_TRUE(integers);
  EXPECT_FALSE(floats) << "no pass of its own";
}

}  // namespace
}  // namespace hone
