#include <gtest/gtest.h>

#include <cmath>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

/// Ops that few models have: the same numbers as reference evaluation, by kernels.
namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::Random;
using testing_tools::random_inputs;

/// `kernel`: what a step must be run by.
void check(const std::string& text, const std::string& kernel, double absolute = 1e-5, uint64_t seed = 1) {
  SCOPED_TRACE(text);
  Graph graph = parse_text(text);
  auto inputs = random_inputs(graph, seed);
  auto expected = evaluate(graph, inputs);
  for (int threads : {1, 3}) {
    Session session(load(graph, {.device = "cpu", .threads = threads}));
    for (int round = 0; round < 2; ++round) {
      auto got = session.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i)
        expect_near(got[i], expected[i], 1e-4, absolute, fmt::format("threads {} output {}", threads, i));
    }
    bool found = false;
    for (const StepInfo& step : session.plan()->steps()) found = found || step.kernel == kernel;
    EXPECT_TRUE(found) << kernel;
  }
}

TEST(RareOps, FunctionsOfSingleElements) {
  struct Case {
    const char* op;
    double (*exact)(double);
    double relative, absolute;
  };
  const Case cases[] = {{"Erf", std::erf, 6e-7, 1e-37},
                        {"Log", std::log, 4e-7, 4e-8},
                        {"Sin", std::sin, 0, 3e-7},
                        {"Cos", std::cos, 0, 3e-7}};
  std::vector<float> values{0,     1,     -1,   0.5f,    1e-6f,   -1e-6f,   3e-39f,
                            1e-30f, 1e30f, 9000, -123456, 8191.5f, INFINITY, NAN};
  for (int i = 0; i < 4000; ++i) values.push_back(static_cast<float>(i - 2000) * 0.00731f);
  for (int i = 0; i < 1000; ++i) values.push_back(static_cast<float>(i - 500) * 13.7f);
  auto count = static_cast<int64_t>(values.size());
  for (const Case& one : cases) {
    Graph graph = parse_text(
        fmt::format("graph \"g\" {{ input %x: f32[{}] %y = {}(%x) output \"y\" = %y }}", count, one.op));
    Session session(load(graph, {.device = "cpu", .threads = 2}));
    std::vector<Tensor> inputs{Tensor::of<float>({count}, values)};
    std::vector<float> got = session.run(inputs)[0].to_floats();
    EXPECT_EQ(session.plan()->steps()[0].kernel, "hone function");
    for (size_t i = 0; i < values.size(); ++i) {
      double exact = one.exact(static_cast<double>(values[i]));
      if (std::isnan(exact)) EXPECT_TRUE(std::isnan(got[i])) << one.op << " of " << values[i];
      else if (std::isinf(exact)) EXPECT_EQ(static_cast<double>(got[i]), exact) << one.op << " of " << values[i];
      else
        EXPECT_NEAR(static_cast<double>(got[i]), exact, one.absolute + one.relative * std::abs(exact))
            << one.op << " of " << values[i];
    }
  }
}

TEST(RareOps, GridSampleInEveryMode) {
  uint64_t seed = 1;
  for (const char* mode : {"linear", "nearest", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"})
      for (int corners : {0, 1})
        for (const char* sizes : {"2, 3, 7, 5|2, 20, 17, 2", "1, 2, 4, 5, 6|1, 3, 4, 5, 3"}) {
          std::string both = sizes;
          size_t bar = both.find('|');
          // The grid reaches outside of [-1, 1].
          check(fmt::format(R"(graph "g" {{
            input %x: f32[{}]
            input %g: f32[{}]
            const %far: f32[] = [1.6]
            %grid = Mul(%g, %far)
            %y = GridSample(%x, %grid) {{mode="{}", padding_mode="{}", align_corners={}}}
            output "y" = %y
          }})", both.substr(0, bar), both.substr(bar + 1), mode, padding, corners), "hone grid sample", 1e-4, seed++);
        }
}

TEST(RareOps, GridSampleLeavesInfinityWhereItIs) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 1, 2, 2]
    input %grid: f32[1, 1, 2, 2]
    %y = GridSample(%x, %grid) {align_corners=1}
    output "y" = %y
  })");
  std::vector<Tensor> inputs{Tensor::of<float>({1, 1, 2, 2}, {INFINITY, 2, 3, 4}),
                             Tensor::of<float>({1, 1, 2, 2}, {1, -1, 1, 1})};
  Session session(load(graph, {.device = "cpu", .threads = 1}));
  EXPECT_EQ(session.run(inputs)[0].to_floats(), (std::vector<float>{2, 4}));
}

TEST(RareOps, DeformConvWithGroupsAndMask) {
  const char* cases[][3] = {{"", "1, 36, 5, 4", "1, 18, 5, 4"},
                            {"strides=[2, 1], pads=[1, 1, 1, 1]", "1, 36, 4, 6", "1, 18, 4, 6"},
                            {"group=2, dilations=[1, 2], pads=[1, 2, 1, 2]", "1, 36, 7, 6", "1, 18, 7, 6"}};
  for (const auto& one : cases)
    for (bool mask : {false, true}) {
      bool groups = std::string(one[0]).find("group") != std::string::npos;
      check(fmt::format(R"(graph "g" {{
        input %x: f32[1, 4, 7, 6]
        input %o: f32[{}]
        input %m: f32[{}]
        const %two: f32[] = [2]
        const %w: f32[6, {}, 3, 3] = random(1)
        const %b: f32[6] = random(2)
        %offset = Mul(%o, %two)
        %y = DeformConv(%x, %w, %offset, %b, {}) {{offset_group=2{}{}}}
        %used = Identity(%m)
        output "y" = %y
        output "m" = %used
      }})", one[1], one[2], groups ? 2 : 4, mask ? "%m" : "_", *one[0] ? ", " : "", one[0]), "hone deform conv");
    }
}

TEST(RareOps, AttentionWithSharedHeadsAndMasks) {
  struct Case {
    const char *q, *k, *v, *mask, *attributes;
  };
  const Case cases[] = {
      {"2, 4, 9, 8", "2, 4, 11, 8", "2, 4, 11, 5", "", ""},
      {"2, 4, 9, 8", "2, 2, 11, 8", "2, 2, 11, 5", "f32[9, 11]", "scale=0.5"},
      {"2, 4, 9, 8", "2, 1, 9, 8", "2, 1, 9, 8", "", "is_causal=1"},
      {"2, 4, 70, 8", "2, 4, 70, 8", "2, 4, 70, 8", "f32[2, 1, 70, 70]", "is_causal=1"},
      {"2, 4, 9, 8", "2, 4, 11, 8", "2, 4, 11, 8", "f32[4, 1, 1]", ""},
      {"2, 4, 9, 8", "2, 4, 11, 8", "2, 4, 11, 8", "", "left_window_size=3, right_window_size=2"},
      {"2, 4, 9, 8", "2, 4, 5, 8", "2, 4, 5, 8", "f32[9, 5]", "left_window_size=1, is_causal=1"},
      {"2, 9, 32", "2, 11, 16", "2, 11, 24", "f32[2, 4, 9, 11]", "q_num_heads=4, kv_num_heads=2"},
      {"2, 9, 32", "2, 11, 32", "2, 11, 32", "", "q_num_heads=4, kv_num_heads=4"}};
  for (const Case& one : cases) {
    bool mask = *one.mask;
    check(fmt::format(R"(graph "g" {{
      input %q: f32[{}]
      input %k: f32[{}]
      input %v: f32[{}]
      {}
      %y = Attention(%q, %k, %v{}) {{{}}}
      output "y" = %y
    }})", one.q, one.k, one.v, mask ? fmt::format("input %m: {}", one.mask) : "", mask ? ", %m" : "", one.attributes),
          "hone attention");
  }
  // Bools say what is seen; nothing at all by the second query.
  check(R"(graph "g" {
    input %q: f32[1, 2, 3, 4]
    input %k: f32[1, 2, 3, 4]
    const %m: bool[3, 3] = [1, 0, 0, 0, 0, 0, 1, 0, 1]
    %y = Attention(%q, %k, %k, %m)
    output "y" = %y
  })", "hone attention");
}

TEST(RareOps, RecurrentLayers) {
  for (const char* op : {"LSTM", "GRU"})
    for (const char* direction : {"forward", "reverse", "bidirectional"})
      for (int variant = 0; variant < 3; ++variant) {
        bool lstm = op[0] == 'L';
        int directions = direction[0] == 'b' ? 2 : 1, gates = lstm ? 4 : 3, hidden = 7, batch = 1 + variant;
        std::string states = variant == 0 ? "" : lstm ? ", %b, _, %h, %c" : ", %b, _, %h";
        check(fmt::format(R"(graph "g" {{
          input %x: f32[5, {0}, 6]
          input %h: f32[{1}, {0}, {2}]
          input %c: f32[{1}, {0}, {2}]
          const %w: f32[{1}, {3}, 6] = random(1)
          const %r: f32[{1}, {3}, {2}] = random(2)
          const %b: f32[{1}, {4}] = random(3)
          %y, %yh{5} = {6}(%x, %w, %r{7}) {{hidden_size={2}, direction="{8}"{9}}}
          %hh = Add(%h, %c)
          output "y" = %y
          output "yh" = %yh
          output "hh" = %hh
        }})", batch, directions, hidden, gates * hidden, 2 * gates * hidden, lstm ? ", %yc" : "", op, states, direction,
                          !lstm && variant == 2 ? ", linear_before_reset=1" : ""),
              lstm ? "hone lstm" : "hone gru");
      }
}

TEST(RareOps, RecurrentLayersOfOtherKindsAreEvaluated) {
  check(R"(graph "g" {
    input %x: f32[5, 2, 6]
    const %w: f32[1, 12, 6] = random(1)
    const %r: f32[1, 12, 3] = random(2)
    %y = LSTM(%x, %w, %r) {hidden_size=3, clip=0.3}
    output "y" = %y
  })", "reference");
}

}  // namespace
}  // namespace hone
