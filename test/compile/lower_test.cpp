#include "compile/lower/lower.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "graph/text.hpp"
#include "graph_checks.hpp"

namespace hone {
namespace {

using testing_tools::count_ops;
using testing_tools::expect_near;
using testing_tools::random_inputs;

/// Lowers the graph and checks that it still computes the same; returns the lowered graph.
Graph lowered(const char* text, double absolute = 1e-5) {
  Graph before = parse_text(text);
  Graph after = before.clone();
  lower(after);
  auto inputs = random_inputs(before, 3);
  auto expected = evaluate(before, inputs), got = evaluate(after, inputs);
  for (size_t i = 0; i < expected.size(); ++i)
    expect_near(got[i], expected[i], 1e-5, absolute, before.outputs()[i].name);
  return after;
}

TEST(Lower, ConvolutionTakesInActivationAndResidual) {
  Graph graph = lowered(R"(graph "g" {
    input %x: f32[2, 4, 6, 5]
    const %w: f32[4, 4, 3, 3] = random(1)
    const %b: f32[4] = random(2)
    const %w2: f32[4, 4, 1, 1] = random(3)
    %c = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]}
    %r = Relu(%c)
    %d = Conv(%r, %w2)
    %s = Add(%d, %x)
    %y = Relu(%s)
    output "y" = %y
  })");
  EXPECT_EQ(count_ops(graph, "Fused"), 2);
  EXPECT_EQ(count_ops(graph, "Transpose"), 2);  // one in, one out
  EXPECT_EQ(graph.nodes().size(), 4u);
}

TEST(Lower, SharedValuesAreNotSwallowed) {
  Graph graph = lowered(R"(graph "g" {
    input %x: f32[1, 2, 4, 4]
    const %w: f32[2, 2, 1, 1] = random(1)
    %c = Conv(%x, %w)
    %r = Relu(%c)
    %n = Neg(%c)
    %s = Add(%r, %n)
    output "s" = %s
    output "c" = %c
  })");
  EXPECT_EQ(count_ops(graph, "Relu"), 1);
}

TEST(Lower, QuantizedBlockRunsInIntegers) {
  // Two convolutions, a residual add between quantized values, a pool: no dequantization is left inside.
  Graph graph = lowered(R"(graph "g" {
    input %x: f32[1, 4, 6, 6]
    const %s: f32[] = [0.0078]
    const %z: u8[] = [128]
    const %s2: f32[] = [0.02]
    const %z2: u8[] = [0]
    const %ws: f32[4] = [0.01, 0.02, 0.005, 0.01]
    const %wz: i8[4] = fill(0)
    const %w: i8[4, 4, 3, 3] = random(1)
    const %bs: f32[4] = [0.000078, 0.000156, 0.000039, 0.000078]
    const %bz: i32[4] = fill(0)
    const %b: i32[4] = random(5)
    %q = QuantizeLinear(%x, %s, %z)
    %dq = DequantizeLinear(%q, %s, %z)
    %dw = DequantizeLinear(%w, %ws, %wz) {axis=0}
    %db = DequantizeLinear(%b, %bs, %bz) {axis=0}
    %c = Conv(%dq, %dw, %db) {pads=[1, 1, 1, 1]}
    %r = Relu(%c)
    %q1 = QuantizeLinear(%r, %s2, %z2)
    %dq1 = DequantizeLinear(%q1, %s2, %z2)
    %p = MaxPool(%dq1) {kernel_shape=[3, 3], pads=[1, 1, 1, 1]}
    %q2 = QuantizeLinear(%p, %s2, %z2)
    %dq2 = DequantizeLinear(%q2, %s2, %z2)
    %a = Add(%dq2, %dq)
    %qa = QuantizeLinear(%a, %s2, %z)
    %dqa = DequantizeLinear(%qa, %s2, %z)
    output "y" = %dqa
  })", 0.0201);
  EXPECT_EQ(count_ops(graph, "DequantizeLinear"), 1) << to_text(graph, {.elide_above = 8});
  EXPECT_EQ(count_ops(graph, "QuantizeLinear"), 1);
  for (const auto& node : graph.nodes())
    if (node->is("MaxPool")) EXPECT_EQ(node->output()->dtype(), DType::u8);
}

// What ONNX Runtime's quantizer writes with u8 weights: any zero point, for all channels or for each.
TEST(Lower, WeightsWithZeroPointsRunInIntegers) {
  for (const char* zeros : {"const %wz: u8[4] = [101, 128, 140, 7]", "const %wz: u8[4] = fill(127)"})
    for (const char* weights : {"random(1)", "fill(120)"}) {
      std::string text = fmt::format(R"(graph "g" {{
        input %x: f32[1, 4, 6, 6]
        const %s: f32[] = [0.02]
        const %z: u8[] = [100]
        const %ws: f32[4] = [0.01, 0.02, 0.005, 0.01]
        {}
        const %w: u8[4, 4, 3, 3] = {}
        const %b: f32[4] = random(5)
        const %one: f32[] = [0.01]
        const %m: u8[4, 8] = random(6)
        const %mz: u8[] = [33]
        %q = QuantizeLinear(%x, %s, %z)
        %dq = DequantizeLinear(%q, %s, %z)
        %dw = DequantizeLinear(%w, %ws, %wz) {{axis=0}}
        %c = Conv(%dq, %dw, %b) {{pads=[1, 1, 1, 1]}}
        %r = Relu(%c)
        %p = GlobalAveragePool(%r)
        %f = Flatten(%p)
        %fq = QuantizeLinear(%f, %s, %z)
        %fd = DequantizeLinear(%fq, %s, %z)
        %dm = DequantizeLinear(%m, %one, %mz)
        %y = MatMul(%fd, %dm)
        const %n: u8[8, 4] = random(7)
        const %ns: f32[8] = fill(0.01)
        const %nz: u8[8] = [1, 2, 3, 4, 5, 128, 200, 255]
        const %nb: f32[8] = random(8)
        %dn = DequantizeLinear(%n, %ns, %nz) {{axis=0}}
        %g = Gemm(%fd, %dn, %nb) {{transB=1}}
        output "g" = %g
        output "c" = %c
        output "y" = %y
      }})", zeros, weights);
      Graph graph = lowered(text.c_str(), 0.1);
      EXPECT_EQ(count_ops(graph, "DequantizeLinear"), 0) << to_text(graph, {.elide_above = 8});
      for (const Value* constant : graph.constants())
        if (constant->constant().size() > 8) {
          EXPECT_NE(constant->dtype(), DType::f32) << "weights stay bytes";
        }
    }
}

TEST(Lower, ChannelsLastKeepsNumbersOfMixedGraphs) {
  lowered(R"(graph "g" {
    input %x: f32[2, 4, 6, 5]
    const %w: f32[8, 4, 3, 3] = random(1)
    const %gamma: f32[8, 1, 1] = random(2)
    const %half: f32[] = [0.5]
    const %axes: i64[2] = [2, 3]
    const %shape: i64[2] = [2, 16]
    %c = Conv(%x, %w) {pads=[1, 1, 1, 1], strides=[2, 2]}
    %m = Mul(%c, %gamma)
    %h = Mul(%m, %half)
    %cat = Concat(%h, %c) {axis=1}
    %soft = Softmax(%cat) {axis=1}
    %a, %b = Split(%soft) {axis=1, num_outputs=2}
    %sum = Add(%a, %b)
    %g = GlobalAveragePool(%sum)
    %gate = Mul(%sum, %g)
    %t = Transpose(%gate) {perm=[0, 2, 3, 1]}
    %gc = GlobalAveragePool(%cat)
    %f = Reshape(%gc, %shape)
    output "t" = %t
    output "f" = %f
    output "sum" = %sum
  })");
}

TEST(Lower, TapsThatReadOnlyPaddingAreCutOff) {
  auto kernel = [](const Graph& graph) {
    for (const auto& node : graph.nodes())
      if (node->is("Fused")) {
        Dims dims = node->input(1)->constant().dims();
        return Dims(dims.end() - 2, dims.end());
      }
    return Dims{};
  };
  // 8 rows and 20 columns: 3x3 taps 10 apart read rows only with the middle one.
  EXPECT_EQ(kernel(lowered(R"(graph "g" {
    input %x: f32[1, 4, 8, 20]
    const %w: f32[4, 4, 3, 3] = random(1)
    %y = Conv(%x, %w) {pads=[10, 10, 10, 10], dilations=[10, 10]}
    output "y" = %y
  })")), (Dims{1, 3}));
  // Integer weights, unequal pads: the last tap alone is dead.
  EXPECT_EQ(kernel(lowered(R"(graph "g" {
    input %x: f32[1, 4, 5, 5]
    const %w: i8[4, 4, 3, 3] = random(2)
    const %s: f32[4] = [0.01, 0.02, 0.01, 0.03]
    const %z: i8[4] = [0, 0, 0, 0]
    %d = DequantizeLinear(%w, %s, %z) {axis=0}
    %y = Conv(%x, %d) {pads=[2, 2, 10, 10], dilations=[4, 4], strides=[2, 2]}
    output "y" = %y
  })")), (Dims{2, 2}));
  EXPECT_EQ(kernel(lowered(R"(graph "g" {
    input %x: f32[1, 4, 5, 5]
    const %w: f32[4, 4, 3, 3] = random(3)
    %y = Conv(%x, %w) {pads=[6, 6, 6, 6], dilations=[6, 6], strides=[4, 4]}
    output "y" = %y
  })")), (Dims{1, 1}));
}

}  // namespace
}  // namespace hone
