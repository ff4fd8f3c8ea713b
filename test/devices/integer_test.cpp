#include <gtest/gtest.h>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

namespace hone {
namespace {

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
        for (const std::vector<std::string>& without : {std::vector<std::string>{"native_conv"}, {"onednn_deep_conv", "onednn_conv"}}) {
          Session session(load(graph, {.threads = 2, .disabled_kernels = without, .autotune = false}));
          EXPECT_LT(share_of_others(session.run(inputs), expected), 0.002) << type << ' ' << act << ' ' << channels << " without " << without[0];
          int sums = 0;
          for (const StepInfo& step : session.plan()->steps()) sums += step.op.find("+Add") != std::string::npos;
          EXPECT_EQ(sums, 1) << "the sum is not part of the convolution";
        }
      }
}

}  // namespace
}  // namespace hone
