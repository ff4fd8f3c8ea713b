#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

/// A quantized file computes what ONNX Runtime makes of it: the formulas of QLinearConv, QLinearAdd,
/// QLinearGlobalAveragePool and QGemm, written out.
namespace hone {
namespace {

constexpr int pixels = 35, in = 8, out = 16, classes = 10;

struct Quant {
  float scale;
  int zero;
};

/// The scales are such that many results lie near the middle between two steps.
struct Network {
  Quant x{0.1f, 128}, first{0.05f, 0}, second{0.3f, 120}, sum{0.15f, 99}, mean{0.1f, 110}, y{0.7f, 128};
  float w_scale = 0.03f, v_scale = 0.07f, g_scale = 0.05f;
  std::vector<int> w, v, g, w_bias, v_bias, g_bias;

  explicit Network(testing_tools::Random& random) {
    const auto fill = [&](std::vector<int>& list, int count, int reach) {
      for (int i = 0; i < count; ++i) list.push_back(static_cast<int>(random.integer(-reach, reach)));
    };
    fill(w, out * in, 9), fill(v, out * in, 9), fill(g, classes * out, 100);
    fill(w_bias, out, 500), fill(v_bias, out, 500), fill(g_bias, classes, 5000);
  }

  std::string text() const {
    const auto weights = [](const char* name, const std::vector<int>& values, const char* dims, float scale,
                            const std::vector<int>& bias, float x_scale) {
      return fmt::format(R"(
    const %{0}: i8[{1}] = [{2}]
    const %{0}s: f32[] = [{3}]
    const %{0}b: i32[{4}] = [{5}]
    const %{0}bs: f32[] = [{6}]
    %{0}d = DequantizeLinear(%{0}, %{0}s)
    %{0}bd = DequantizeLinear(%{0}b, %{0}bs))",
                         name, dims, fmt::join(values, ", "), scale, bias.size(), fmt::join(bias, ", "),
                         x_scale * scale);
    };
    const auto quant = [](const char* name, Quant q) {
      return fmt::format("\n    const %{0}s: f32[] = [{1}]\n    const %{0}z: u8[] = [{2}]", name, q.scale, q.zero);
    };
    const auto pair = [](const char* from, const char* name) {
      return fmt::format(
          "\n    %{1}q = QuantizeLinear(%{0}, %{1}s, %{1}z)\n    %{1}d = DequantizeLinear(%{1}q, %{1}s, %{1}z)", from,
          name);
    };
    return "graph \"g\" {\n    input %x: u8[1, 8, 5, 7]" + quant("x", x) + quant("first", first) +
           quant("second", second) + quant("sum", sum) + quant("mean", mean) + quant("y", y) +
           weights("w", w, "16, 8, 1, 1", w_scale, w_bias, x.scale) +
           weights("v", v, "16, 8, 1, 1", v_scale, v_bias, x.scale) +
           weights("g", g, "10, 16", g_scale, g_bias, mean.scale) +
           "\n    const %lo: f32[] = [0]\n    const %hi: f32[] = [9]\n    %xd = DequantizeLinear(%x, %xs, %xz)"
           "\n    %c = Conv(%xd, %wd, %wbd)\n    %r = Clip(%c, %lo, %hi)" +
           pair("r", "first") + "\n    %e = Conv(%xd, %vd, %vbd)" + pair("e", "second") +
           "\n    %a = Add(%secondd, %firstd)" + pair("a", "sum") +
           "\n    %p = GlobalAveragePool(%sumd)" + pair("p", "mean") +
           "\n    %f = Flatten(%meand)\n    %fq = QuantizeLinear(%f, %means, %meanz)"
           "\n    %fd = DequantizeLinear(%fq, %means, %meanz)\n    %m = Gemm(%fd, %gd, %gbd) {transB=1}"
           "\n    %yq = QuantizeLinear(%m, %ys, %yz)\n    output \"y\" = %yq\n    output \"sum\" = %sumq\n}";
  }
};

int quantized(float v, int zero) {
  return static_cast<int>(std::min(std::max(std::nearbyint(v) + static_cast<float>(zero), 0.0f), 255.0f));
}

/// One row of a product: an integer bias, then one factor.
int product(const uint8_t* x, int step, int count, int x_zero, const int* w, int bias, float factor, int zero) {
  int sum = bias;
  for (int i = 0; i < count; ++i) sum += (x[i * step] - x_zero) * w[i];
  return quantized(static_cast<float>(sum) * factor, zero);
}

void compute(const Network& n, const uint8_t* x, std::vector<uint8_t>& sums, std::vector<uint8_t>& y) {
  const float a = n.second.scale / n.sum.scale, b = n.first.scale / n.sum.scale;
  const float zeros = std::fma(a, static_cast<float>(n.second.zero), b * static_cast<float>(n.first.zero));
  std::vector<uint8_t> means;
  for (int k = 0; k < out; ++k) {
    int total = 0;
    for (int i = 0; i < pixels; ++i) {
      const int* w = n.w.data() + k * in;
      const int* v = n.v.data() + k * in;
      const size_t c = static_cast<size_t>(k);
      int first = product(x + i, pixels, in, n.x.zero, w, n.w_bias[c], n.x.scale * n.w_scale / n.first.scale, 0);
      first = std::min(first, quantized(9 / n.first.scale, 0));
      const int second = product(x + i, pixels, in, n.x.zero, v, n.v_bias[c], n.x.scale * n.v_scale / n.second.scale,
                                 n.second.zero);
      const float rest = std::fma(static_cast<float>(first), b, static_cast<float>(n.sum.zero) - zeros);
      sums.push_back(static_cast<uint8_t>(quantized(std::fma(static_cast<float>(second), a, rest), 0)));
      total += sums.back() - n.sum.zero;
    }
    const float factor = n.sum.scale / (n.mean.scale * static_cast<float>(pixels));
    means.push_back(static_cast<uint8_t>(quantized(static_cast<float>(total) * factor, n.mean.zero)));
  }
  for (int k = 0; k < classes; ++k)
    y.push_back(static_cast<uint8_t>(product(means.data(), 1, out, n.mean.zero, n.g.data() + k * out,
                                             n.g_bias[static_cast<size_t>(k)],
                                             n.mean.scale * n.g_scale / n.y.scale, n.y.zero)));
}

TEST(Integers, LayersComputeWhatOnnxRuntimeDoesToTheLastBit) {
  if (!cpu_features().avx2) GTEST_SKIP() << "the kernels in question need AVX2";
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    testing_tools::Random random(seed);
    const Network network(random);
    const Graph graph = parse_text(network.text());
    Tensor x(DType::u8, {1, in, 5, 7});
    for (uint8_t& v : x.mutable_data<uint8_t>()) v = static_cast<uint8_t>(random.integer(0, 255));
    std::vector<uint8_t> sums, y;
    compute(network, x.data<uint8_t>().data(), sums, y);
    Session session(load(graph, {.threads = 1, .disabled_kernels = {"onednn_deep_conv", "onednn_conv"}}));
    const std::vector<Tensor> results = session.run(std::vector<Tensor>{x});
    for (const StepInfo& step : session.plan()->steps()) EXPECT_EQ(step.kernel.find("f32"), std::string::npos);
    EXPECT_TRUE(std::ranges::equal(results[0].data<uint8_t>(), y));
    EXPECT_TRUE(std::ranges::equal(results[1].data<uint8_t>(), sums));
  }
}

}  // namespace
}  // namespace hone
