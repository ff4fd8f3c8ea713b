#include "ops_a_support.hpp"

#include <gmock/gmock.h>

namespace hone::testing_ops {
namespace {

using Ints = std::vector<int64_t>;
using testing::HasSubstr;

Tensor scalar(DType dtype, int64_t value) { return Tensor::scalar(value).cast(dtype); }
Tensor matrix(DType dtype, Dims dims, const Ints& values) { return ints(dtype, values).reshaped(std::move(dims)); }

/// What the Error of evaluating the node says.
std::string run_failure(const std::string& type, const std::vector<Tensor>& inputs) {
  try {
    evaluate(one_node(type, inputs, {}, true), {});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(OpsQuant, QuantizeRoundsHalfToEvenAndSaturates) {
  Tensor x = f32({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1000, -1000, nan, inf, -inf}), one = Tensor::scalar(1.0f);
  EXPECT_EQ(run("QuantizeLinear", {x, one, scalar(DType::i8, 0)}).to_ints(),
            (Ints{0, 2, 2, 0, -2, 127, -128, 0, 127, -128}));
  EXPECT_EQ(run("QuantizeLinear", {x, one, scalar(DType::u8, 10)}).to_ints(),
            (Ints{10, 12, 12, 10, 8, 255, 0, 10, 255, 0}));
  EXPECT_EQ(run("QuantizeLinear", {x, one}).dtype(), DType::u8);
  EXPECT_EQ(run("QuantizeLinear", {x, one}, {{"output_dtype", int64_t{5}}}).to_ints(),
            (Ints{0, 2, 2, 0, -2, 1000, -1000, 0, 32767, -32768}));
  EXPECT_EQ(run("QuantizeLinear", {f32({70000}), one, scalar(DType::u16, 3)}).to_ints(), (Ints{65535}));
  // 0.15f / 0.1f is 1.5 in f32 and less in f64.
  EXPECT_EQ(run("QuantizeLinear", {f32({0.15f}), Tensor::scalar(0.1f)}).to_ints(), (Ints{2}));
}

// 1813 / 9 is 201.44; the nearest f16 is 201.5.
TEST(OpsQuant, DividesInThePrecisionOfTheScale) {
  Tensor x = f32({1813}), nine = Tensor::scalar(9.0f);
  EXPECT_EQ(run("QuantizeLinear", {x, nine}).to_ints(), (Ints{201}));
  EXPECT_EQ(run("QuantizeLinear", {x.cast(DType::f16), nine.cast(DType::f16)}).to_ints(), (Ints{202}));
  EXPECT_EQ(run("QuantizeLinear", {x.cast(DType::f16), nine}).to_ints(), (Ints{201}));
  EXPECT_EQ(run("QuantizeLinear", {x, nine}, {{"precision", int64_t{10}}}).to_ints(), (Ints{202}));
  EXPECT_EQ(run("QuantizeLinear", {ints(DType::i32, {1813}), nine}).to_ints(), (Ints{201}));
}

TEST(OpsQuant, PerAxis) {
  Tensor x = f32({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), scale = f32({1, 2}), zero = ints(DType::i8, {0, 1});
  Tensor q = run("QuantizeLinear", {x, scale, zero});
  EXPECT_EQ(q.to_ints(), (Ints{1, 2, 3, 3, 5, 6, 5, 5}));
  expect_near(run("DequantizeLinear", {q, scale, zero}), {1, 2, 4, 4, 5, 6, 8, 8});
  expect_near(run("DequantizeLinear", {q, scale, zero}, {{"axis", int64_t{-1}}}), {1, 2, 3, 4, 5, 10, 5, 8});
  expect_near(run("DequantizeLinear", {ints(DType::i32, {-7, 2147483647}), Tensor::scalar(0.5f)}),
              {-3.5, 1073741823.5});
  EXPECT_EQ(run("DequantizeLinear", {q, scale.cast(DType::f16), zero}).dtype(), DType::f16);
  EXPECT_THAT(failure("QuantizeLinear", {x, f32({1, 2, 3})}),
              HasSubstr("scale has shape [3], expected one number or [2] for axis 1"));
  EXPECT_THAT(failure("QuantizeLinear", {x, scale}, {{"axis", int64_t{3}}}), HasSubstr("axis is 3"));
  EXPECT_THAT(failure("DequantizeLinear", {q, scale, zero}, {{"block_size", int64_t{2}}}),
              HasSubstr("scale has shape [2], expected one number or [2, 1, 2] for axis 1"));
  EXPECT_THAT(failure("DequantizeLinear", {q, scale, zero}, {{"block_size", int64_t{-1}}}),
              HasSubstr("block_size is -1"));
  EXPECT_THAT(failure("DequantizeLinear", {q, scale, ints(DType::u8, {0, 0})}),
              HasSubstr("zero point is u8, the input is i8"));
}

TEST(OpsQuant, Blocks) {
  // Three rows in blocks of two: the last block has one.
  Tensor x = f32({3, 2}, {2, 8, 4, 16, 6, 24}), scale = f32({2, 2}, {1, 4, 3, 8});
  Tensor zero = matrix(DType::i8, {2, 2}, {0, 1, 2, 3});
  Attributes blocked{{"axis", int64_t{0}}, {"block_size", int64_t{2}}};
  Tensor q = run("QuantizeLinear", {x, scale, zero}, blocked);
  EXPECT_EQ(q.to_ints(), (Ints{2, 3, 4, 5, 4, 6}));
  EXPECT_EQ(run("DequantizeLinear", {q, scale, zero}, blocked).to_floats(), x.to_floats());
  Attributes by_column{{"axis", int64_t{1}}, {"block_size", int64_t{2}}};
  EXPECT_EQ(run("QuantizeLinear", {x, f32({3, 1}, {1, 2, 3})}, by_column).to_ints(), (Ints{2, 8, 2, 8, 2, 8}));
  EXPECT_FALSE(op_of("QuantizeLinear", blocked)->has(Trait::layout_agnostic));
}

TEST(OpsQuant, TypesOfNewerOpsets) {
  Tensor x = f32({1, 2}), half = Tensor::scalar(0.5f).cast(DType::f16);
  EXPECT_EQ(run("DequantizeLinear", {ints(DType::u16, {4, 6}), half}, {{"output_dtype", int64_t{1}}}).dtype(),
            DType::f32);
  EXPECT_EQ(run("QuantizeLinear", {x, half, scalar(DType::u16, 0)}, {{"precision", int64_t{1}}}).to_ints(),
            (Ints{2, 4}));
  EXPECT_THAT(failure("DequantizeLinear", {ints(DType::u8, {1}), half}, {{"output_dtype", int64_t{2}}}),
              HasSubstr("output_dtype is u8"));
}

TEST(OpsQuant, DynamicQuantizeLinear) {
  Graph graph;
  Value* x = graph.add_constant("x", f32({0, 2, -3, -2.5f, 1.34f, 0.5f}));
  Node* node = graph.add(op_of("DynamicQuantizeLinear", {}), {x}, "node", 3);
  for (Value* value : node->outputs()) graph.add_output("y", value);
  std::vector<Tensor> y = evaluate(graph, {});
  EXPECT_EQ(y[0].to_ints(), (Ints{153, 255, 0, 26, 221, 179}));
  expect_near(y[1], {0.0196078438});
  EXPECT_EQ(y[2].to_ints(), (Ints{153}));
}

TEST(OpsQuant, IntegerProducts) {
  Tensor a = matrix(DType::u8, {4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0}),
         b = matrix(DType::u8, {3, 2}, {1, 4, 2, 5, 3, 6});
  EXPECT_EQ(run("MatMulInteger", {a, b, scalar(DType::u8, 12), scalar(DType::u8, 0)}).to_ints(),
            (Ints{-38, -83, -44, -98, -50, -113, -56, -128}));
  Tensor x = matrix(DType::u8, {1, 1, 3, 3}, {2, 3, 4, 5, 6, 7, 8, 9, 10}),
         w = matrix(DType::u8, {1, 1, 2, 2}, {1, 1, 1, 1});
  EXPECT_EQ(run("ConvInteger", {x, w, scalar(DType::u8, 1)}).to_ints(), (Ints{12, 16, 24, 28}));
  EXPECT_EQ(run("ConvInteger", {x, w, scalar(DType::u8, 1)}, {{"pads", Ints{1, 1, 1, 1}}}).to_ints(),
            (Ints{1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9}));
  EXPECT_THROW(run("ConvInteger", {x, w, ints(DType::u8, {1, 2, 3})}), Error);
}

TEST(OpsQuant, QLinearConvIsTheQuantizedConv) {
  Tensor x = matrix(DType::u8, {1, 1, 2, 2}, {128, 130, 140, 120}), w = matrix(DType::i8, {2, 1, 1, 1}, {2, -3});
  Tensor y =
      run("QLinearConv", {x, Tensor::scalar(0.5f), scalar(DType::u8, 128), w, f32({1, 2}), ints(DType::i8, {0, 0}),
                          Tensor::scalar(2.0f), scalar(DType::i8, 5), ints(DType::i32, {4, 8})});
  // channel 0: (x - 128) * 2 + 4 in steps of 0.5 -> steps of 2; channel 1: (x - 128) * -3 + 8 in steps of 1.
  EXPECT_EQ(y.to_ints(), (Ints{6, 7, 12, 2, 9, 6, -9, 21}));
}

TEST(OpsQuant, QLinearMatMul) {
  Tensor a = matrix(DType::u8, {2, 4}, {208, 236, 0, 238, 3, 214, 255, 29});
  Tensor b = matrix(DType::u8, {4, 3}, {152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247});
  Tensor y = run("QLinearMatMul", {a, Tensor::scalar(0.0066f), scalar(DType::u8, 113), b, Tensor::scalar(0.00705f),
                                   scalar(DType::u8, 114), Tensor::scalar(0.0107f), scalar(DType::u8, 118)});
  EXPECT_EQ(y.to_ints(), (Ints{168, 115, 255, 1, 66, 151}));
}

TEST(OpsQuant, QLinearMatMulWithParametersByRowAndColumn) {
  Tensor a = matrix(DType::i8, {2, 1}, {3, 4}), b = matrix(DType::i8, {1, 2}, {5, 6}), one = Tensor::scalar(1.0f);
  Tensor zero = scalar(DType::i8, 0), column = ints(DType::i8, {1, 0});
  // (3 - 0, 4 - 1) x (5 - 1, 6 - 0), rows scaled by 1 and 2, columns by 1 and 0.5.
  std::vector<Tensor> inputs{a, f32({1, 2}), ints(DType::i8, {0, 1}), b, f32({1, 0.5f}), column, one, zero};
  EXPECT_EQ(run("QLinearMatMul", inputs).to_ints(), (Ints{12, 9, 24, 18}));
  inputs[1] = f32({2, 1}, {1, 2});
  inputs[2] = matrix(DType::i8, {2, 1}, {0, 1});
  inputs[6] = f32({1, 2});  // of y, by row
  EXPECT_EQ(run("QLinearMatMul", inputs).to_ints(), (Ints{12, 9, 12, 9}));
  inputs[1] = f32({1, 2, 3});
  EXPECT_THAT(run_failure("QLinearMatMul", inputs), HasSubstr("a_scale has shape [3], expected one number"));
}

}  // namespace
}  // namespace hone::testing_ops
