#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

/// Values that are made in their place of a concatenation: the same numbers, and copies only where they must be.
namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::Random;
using testing_tools::random_inputs;

/// Runs it and returns the kernels of its concatenations.
std::vector<std::string> run(const std::string& text, uint64_t seed = 1, double absolute = 1e-4) {
  SCOPED_TRACE(text);
  Graph graph = parse_text(text);
  const auto inputs = random_inputs(graph, seed);
  const auto expected = evaluate(graph, inputs);
  std::vector<std::string> kernels;
  for (int threads : {1, 3}) {
    Session session(load(graph, {.device = "cpu", .threads = threads, .autotune = false}));
    for (int round = 0; round < 2; ++round) {
      const auto got = session.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i)
        expect_near(got[i], expected[i], 1e-4, absolute, fmt::format("seed {} threads {} output {}", seed, threads, i));
    }
    kernels.clear();
    for (const StepInfo& step : session.plan()->steps())
      if (step.kernel.starts_with("hone concat")) kernels.push_back(step.kernel.substr(11));
  }
  return kernels;
}

using Kernels = std::vector<std::string>;

const char* kConstants = R"(
  const %w1: f32[24, 16, 1, 1] = random(1)
  const %w3: f32[20, 16, 3, 3] = random(2)
  const %w5: f32[5, 16, 1, 1] = random(3)
  const %w16: f32[16, 16, 1, 1] = random(4)
)";

std::string graph_of(const std::string& body, int batch = 2) {
  return fmt::format("graph \"g\" {{\n  input %x: f32[{}, 16, 9, 10]\n{}{}\n}}", batch, kConstants, body);
}

TEST(Parts, BranchesAreMadeInPlace) {
  for (int batch : {1, 2})
    EXPECT_EQ(run(graph_of(R"(
  %a = Conv(%x, %w1)
  %b = Conv(%x, %w3) {pads=[1, 1, 1, 1]}
  %c = Conv(%x, %w5)
  %r = Relu(%b)
  %p = MaxPool(%x) {kernel_shape=[3, 3], pads=[1, 1, 1, 1]}
  %y = Concat(%c, %a, %r, %p) {axis=1}
  output "y" = %y)",
                           batch)),
              Kernels{", 4 of 4 in place"});
}

TEST(Parts, ADenseNetworkHasOneBuffer) {
  EXPECT_EQ(run(graph_of(R"(
  const %s0: f32[16] = random(5)
  const %s1: f32[32] = random(6)
  const %s2: f32[48] = random(7)
  const %v0: f32[16] = fill(1)
  const %v1: f32[32] = fill(1)
  const %v2: f32[48] = fill(1)
  const %n1: f32[16, 32, 1, 1] = random(8)
  %p = MaxPool(%x) {kernel_shape=[3, 3], pads=[1, 1, 1, 1]}
  %a0 = BatchNormalization(%p, %s0, %s0, %s0, %v0)
  %r0 = Relu(%a0)
  %b0 = Conv(%r0, %w16)
  %c1 = Concat(%p, %b0) {axis=1}
  %a1 = BatchNormalization(%c1, %s1, %s1, %s1, %v1)
  %r1 = Relu(%a1)
  %b1 = Conv(%r1, %n1)
  %c2 = Concat(%p, %b0, %b1) {axis=1}
  %a2 = BatchNormalization(%c2, %s2, %s2, %s2, %v2)
  %r2 = Relu(%a2)
  output "y" = %r2)")),
            (Kernels{", 2 of 2 in place", ", 3 of 3 in place"}));
}

TEST(Parts, AConcatenationWithinAnother) {
  EXPECT_EQ(run(graph_of(R"(
  %a = Conv(%x, %w1)
  %b = Conv(%x, %w5)
  %c = Concat(%a, %b) {axis=1}
  %d = Conv(%x, %w16)
  %e = Concat(%d, %c, %x) {axis=1}
  %y = Relu(%e)
  output "y" = %y)")),
            (Kernels{", 2 of 2 in place", ", 2 of 3 in place"}));
}

TEST(Parts, ValuesThatOthersNeedKeepTheirMemory) {
  // A residual sum, a value that is an output, one that an operation reads which knows no distance between pixels, and
  // one that comes twice.
  EXPECT_EQ(run(graph_of(R"(
  %a = Conv(%x, %w16)
  %s = Add(%a, %x)
  %b = Conv(%x, %w1)
  %c = Concat(%s, %b) {axis=1}
  %y = Relu(%c)
  output "y" = %y)")),
            Kernels{", 1 of 2 in place"});
  run(graph_of(R"(
  %a = Conv(%x, %w16)
  %b = Conv(%x, %w1)
  %c = Concat(%a, %b, %a) {axis=1}
  %t = Tanh(%b)
  %u = Concat(%t, %b, %x) {axis=1}
  output "c" = %c
  output "a" = %a
  output "u" = %u)"));
}

TEST(Parts, PlainStretchesOfAnOutputOfTheCaller) {
  EXPECT_EQ(run(R"(graph "g" {
  input %x: f32[3, 16]
  const %w: f32[16, 7] = random(1)
  const %v: f32[16, 7] = random(2)
  %a = MatMul(%x, %w)
  %b = MatMul(%x, %v)
  %t = Tanh(%b)
  %y = Concat(%a, %t) {axis=0}
  output "y" = %y
})"),
            Kernels{", 2 of 2 in place"});
}

TEST(Parts, EightBitBranches) {
  const std::string body = R"(
  const %s: f32[] = [0.01]
  const %z: u8[] = [120]
  const %so: f32[] = [0.5]
  const %i1: i8[24, 16, 1, 1] = random(1)
  const %i3: i8[20, 16, 3, 3] = random(2)
  const %ws: f32[] = [0.02]
  %q = QuantizeLinear(%x, %s, %z)
  %d = DequantizeLinear(%q, %s, %z)
  %f1 = DequantizeLinear(%i1, %ws)
  %f3 = DequantizeLinear(%i3, %ws)
  %a = Conv(%d, %f1)
  %b = Conv(%d, %f3) {pads=[1, 1, 1, 1]}
  %qa = QuantizeLinear(%a, %so, %z)
  %qb = QuantizeLinear(%b, %so, %z)
  %da = DequantizeLinear(%qa, %so, %z)
  %db = DequantizeLinear(%qb, %so, %z)
  %c = Concat(%da, %db) {axis=1}
  %qc = QuantizeLinear(%c, %so, %z)
  %y = DequantizeLinear(%qc, %so, %z)
  output "y" = %y)";
  run(graph_of(body), 1, 0.501);
}

/// Any network of convolutions, pools, normalizations, sums and concatenations, values used again and again.
std::string random_network(uint64_t seed) {
  Random random(seed);
  struct Value {
    std::string name;
    int64_t channels;
  };
  std::vector<Value> values{{"%x", 16}};
  std::string text = fmt::format("graph \"g\" {{\n  input %x: f32[{}, 16, 7, 8]\n", random.integer(1, 2));
  auto any = [&] { return values[static_cast<size_t>(random.integer(0, static_cast<int64_t>(values.size()) - 1))]; };
  for (int i = 0; i < 14; ++i) {
    const Value x = random.integer(0, 1) ? values.back() : any();
    const std::string y = fmt::format("%v{}", i);
    int64_t channels = x.channels;
    switch (random.integer(0, 7)) {
      case 0:
      case 1: {
        const int64_t kernel = random.pick<int64_t>({1, 3});
        channels = random.pick<int64_t>({3, 16, 20, 24});
        text += fmt::format("  const %w{0}: f32[{1}, {2}, {3}, {3}] = random({0})\n"
                            "  {4} = Conv({5}, %w{0}) {{pads=[{6}, {6}, {6}, {6}]}}\n",
                            i, channels, x.channels, kernel, y, x.name, kernel / 2);
        break;
      }
      case 2: text += fmt::format("  {} = MaxPool({}) {{kernel_shape=[3, 3], pads=[1, 1, 1, 1]}}\n", y, x.name); break;
      case 3:
        text += fmt::format("  const %s{0}: f32[{1}] = random({0})\n  const %o{0}: f32[{1}] = fill(1)\n"
                            "  {2} = BatchNormalization({3}, %s{0}, %s{0}, %s{0}, %o{0})\n",
                            i, x.channels, y, x.name);
        break;
      case 4: text += fmt::format("  {} = Tanh({})\n", y, x.name); break;
      default: {
        std::string parts = x.name;
        for (int64_t more = random.integer(1, 3); more > 0; --more) {
          const Value next = any();
          parts += ", " + next.name;
          channels += next.channels;
        }
        text += fmt::format("  {} = Concat({}) {{axis=1}}\n", y, parts);
      }
    }
    values.push_back({y, channels});
  }
  return text + fmt::format("  output \"y\" = {}\n  output \"z\" = {}\n}}", values.back().name, any().name);
}

TEST(Parts, RandomNetworks) {
  size_t in_place = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed)
    for (const std::string& kernel : run(random_network(seed), seed, 2e-3)) in_place += !kernel.empty();
  EXPECT_GT(in_place, 20u);
}

}  // namespace
}  // namespace hone
