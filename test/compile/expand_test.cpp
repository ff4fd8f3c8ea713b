#include "compile/expand/expand.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "graph/text.hpp"
#include "graph/verify.hpp"
#include "graph_checks.hpp"

namespace hone {
namespace {

using testing_tools::count_ops;
using testing_tools::expect_near;
using testing_tools::random_inputs;

/// Expands the graph and checks that it still computes the same.
Graph expanded(const std::string& text, double relative = 1e-5, double absolute = 1e-5) {
  Graph before = parse_text(text);
  Graph after = before.clone();
  expand(after);
  verify(after);
  auto inputs = random_inputs(before, 3);
  auto expected = evaluate(before, inputs), got = evaluate(after, inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(got[i].dims(), expected[i].dims()) << text;
    EXPECT_EQ(got[i].dtype(), expected[i].dtype()) << text;
    expect_near(got[i], expected[i], relative, absolute, text);
  }
  return after;
}

TEST(Expand, EinsumBecomesAProduct) {
  struct Case {
    const char *equation, *a, *b, *op;
  };
  const Case cases[] = {{"bhid,bhjd->bhij", "2, 3, 4, 5", "2, 3, 6, 5", "MatMul"},
                        {"bnc,cd->bnd", "2, 3, 4", "4, 5", "MatMul"},
                        {"bchw,bkc->bkhw", "2, 3, 4, 5", "2, 6, 3", "MatMul"},
                        {"ij,jk", "3, 4", "4, 2", "MatMul"},
                        {"i,i->", "7", "7", "MatMul"},
                        {"i,j->ji", "3", "4", "Mul"},
                        {"bij,bij->bij", "2, 3, 4", "2, 3, 4", "Mul"},
                        {"abc,cd->d", "2, 3, 4", "4, 5", "MatMul"},   // a and b of one operand are summed
                        {"...ij,...jk->...ik", "2, 1, 3, 4", "5, 4, 2", "MatMul"},
                        {"nkctv,kvw->nctw", "2, 3, 4, 5, 6", "3, 6, 6", "MatMul"},
                        {"bi,bj->ij", "3, 4", "3, 5", "MatMul"}};
  for (const Case& one : cases) {
    Graph graph = expanded(fmt::format(R"(graph "g" {{
      input %a: f32[{}]
      input %b: f32[{}]
      %y = Einsum(%a, %b) {{equation="{}"}}
      output "y" = %y
    }})", one.a, one.b, one.equation));
    EXPECT_EQ(count_ops(graph, "Einsum"), 0) << one.equation;
    EXPECT_EQ(count_ops(graph, one.op), 1) << one.equation;
  }
}

TEST(Expand, EinsumOfOneAndOfThreeOperands) {
  Graph graph = expanded(R"(graph "g" {
    input %a: f32[2, 3, 4]
    input %b: f32[4, 5]
    input %c: f32[5, 3]
    %y = Einsum(%a, %b, %c) {equation="abc,cd,db->ad"}
    %z = Einsum(%a) {equation="abc->cb"}
    output "y" = %y
    output "z" = %z
  })");
  EXPECT_EQ(count_ops(graph, "Einsum"), 0);
  // Diagonals and integers stay.
  graph = expanded(R"(graph "g" {
    input %a: f32[3, 3]
    input %i: i64[2, 3]
    %y = Einsum(%a) {equation="ii->i"}
    %z = Einsum(%i, %i) {equation="ij,ij->i"}
    output "y" = %y
    output "z" = %z
  })");
  EXPECT_EQ(count_ops(graph, "Einsum"), 2);
}

TEST(Expand, ConvolutionsOverThreeDimensionsWorkOnFrames) {
  for (int batch : {1, 2})
    for (const char* attributes :
         {"", "pads=[1, 1, 1, 1, 1, 1]", "strides=[2, 1, 2], pads=[1, 0, 1, 0, 1, 0]", "dilations=[2, 1, 1]",
          "auto_pad=\"SAME_UPPER\", strides=[2, 2, 2]", "group=2, pads=[0, 1, 1, 0, 1, 1]"}) {
      int inputs = std::string(attributes).find("group") == std::string::npos ? 4 : 2;
      Graph graph = expanded(fmt::format(R"(graph "g" {{
        input %x: f32[{}, 4, 6, 7, 5]
        const %w: f32[6, {}, 3, 3, 2] = random(1)
        const %b: f32[6] = random(2)
        %c = Conv(%x, %w, %b) {{{}}}
        %y = Relu(%c)
        output "y" = %y
      }})", batch, inputs, attributes));
      EXPECT_EQ(count_ops(graph, "Conv"), 3);
    }
}

TEST(Expand, NeighboringConvolutionsKeepTheirFrames) {
  Graph graph = expanded(R"(graph "g" {
    input %x: f32[1, 4, 5, 6, 6]
    const %w: f32[4, 4, 3, 3, 3] = random(1)
    const %v: f32[4, 4, 1, 3, 3] = random(2)
    %c = Conv(%x, %w) {pads=[1, 1, 1, 1, 1, 1]}
    %r = Relu(%c)
    %y = Conv(%r, %v) {pads=[0, 1, 1, 0, 1, 1]}
    output "y" = %y
  })");
  EXPECT_EQ(count_ops(graph, "Transpose"), 2);
}

TEST(Expand, PoolsAndResizesOverThreeDimensions) {
  const char* nodes[] = {"MaxPool(%x) {kernel_shape=[3, 3, 3], strides=[2, 2, 2], pads=[1, 1, 1, 1, 1, 1]}",
                         "MaxPool(%x) {kernel_shape=[2, 3, 2], strides=[2, 2, 2], ceil_mode=1}",
                         "AveragePool(%x) {kernel_shape=[2, 2, 2], strides=[2, 2, 1]}",
                         "AveragePool(%x) {kernel_shape=[3, 3, 3], pads=[1, 1, 1, 1, 1, 1], count_include_pad=1}",
                         "AveragePool(%x) {kernel_shape=[3, 3, 3], pads=[1, 1, 1, 1, 1, 1]}",
                         "Resize(%x, _, %scales) {mode=\"linear\"}",
                         "Resize(%x, _, _, %sizes) {mode=\"cubic\"}",
                         "Resize(%x, _, %scales) {mode=\"nearest\", coordinate_transformation_mode=\"asymmetric\"}"};
  for (const char* node : nodes)
    expanded(fmt::format(R"(graph "g" {{
      input %x: f32[2, 3, 5, 6, 7]
      const %scales: f32[5] = [1, 1, 2, 1.5, 0.6]
      const %sizes: i64[5] = [2, 3, 7, 9, 4]
      %y = {}
      output "y" = %y
    }})", node));
}

TEST(Expand, FormulasOverReductions) {
  const char* nodes[] = {"RMSNormalization(%x, %s)",
                         "RMSNormalization(%x, %s) {axis=2, epsilon=0.1}",
                         "MeanVarianceNormalization(%x)",
                         "MeanVarianceNormalization(%x) {axes=[1, 2]}",
                         "LpNormalization(%x) {axis=1}",
                         "LpNormalization(%x) {p=1}",
                         "LpPool(%x) {kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 0, 1]}",
                         "LpPool(%x) {kernel_shape=[2, 2], p=1}",
                         "LpPool(%x) {kernel_shape=[2, 2], p=3}",
                         "ReduceSum(%x, %ends)",
                         "ReduceMean(%x, %ends) {keepdims=0}",
                         "ReduceMax(%x, %ends)",
                         "ReduceL2(%x, %ends) {keepdims=0}",
                         "ReduceL1(%x, %ends)",
                         "ReduceSumSquare(%x, %ends)",
                         "ReduceLogSumExp(%x, %ends)"};
  for (const char* node : nodes)
    expanded(fmt::format(R"(graph "g" {{
      input %x: f32[2, 3, 4, 5]
      const %s: f32[5] = random(1)
      const %ends: i64[3] = [0, 1, 3]
      %y = {}
      output "y" = %y
    }})", node));
}

TEST(Expand, LinesOfZerosStayZero) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[2, 3]
    %y = LpNormalization(%x)
    output "y" = %y
  })");
  expand(graph);
  std::vector<Tensor> x{Tensor::of<float>({2, 3}, {0, 0, 0, 3, 0, 4})};
  expect_near(evaluate(graph, x)[0], Tensor::of<float>({2, 3}, {0, 0, 0, 0.6f, 0, 0.8f}), 1e-6, 1e-6, "y");
}

TEST(Expand, HalfPrecisionNetworksComputeInF32) {
  for (const char* type : {"f16", "bf16"}) {
    Graph graph = expanded(fmt::format(R"(graph "g" {{
      input %x: {0}[1, 4, 6, 6]
      const %w: {0}[4, 4, 3, 3] = random(1)
      const %w2: {0}[4, 4, 1, 1] = random(2)
      const %sizes: i64[2] = [1, 144]
      %c = Conv(%x, %w) {{pads=[1, 1, 1, 1]}}
      %r = Relu(%c)
      %d = Conv(%r, %w2)
      %s = Add(%d, %x)
      %f = Reshape(%s, %sizes)
      %y = Softmax(%f)
      output "y" = %y
      output "d" = %d
    }})", type), 2e-2, 2e-2);
    EXPECT_EQ(count_ops(graph, "Cast"), 3) << "one input, two outputs";
  }
  // Casts of the model itself do not part what computes in f32; ops of other kinds get what they had.
  Graph graph = expanded(R"(graph "g" {
    input %x: f32[2, 3]
    const %w: f16[3, 3] = random(1)
    %h = Cast(%x) {to=10}
    %m = MatMul(%h, %w)
    %n = IsNaN(%m)
    %y = Cast(%m) {to=1}
    output "y" = %y
    output "n" = %n
  })", 1e-2, 1e-2);
  EXPECT_EQ(count_ops(graph, "Cast"), 1);
  EXPECT_EQ(graph.outputs()[0].value->dtype(), DType::f32);
}

TEST(Expand, GraphsWithoutArithmeticStayInTheirType) {
  Graph graph = expanded(R"(graph "g" {
    input %x: f16[2, 3]
    %y = Transpose(%x)
    output "y" = %y
  })");
  EXPECT_EQ(graph.nodes().size(), 1u);
}

}  // namespace
}  // namespace hone
