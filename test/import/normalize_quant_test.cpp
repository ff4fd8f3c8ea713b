#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/verify.hpp"
#include "graph_checks.hpp"
#include "import/onnx_builder.hpp"

// The quantized ops of ONNX Runtime compute what their real numbers say.
namespace hone {
namespace {

using namespace testing_tools;
using testing::HasSubstr;

Tensor bytes(const std::vector<int64_t>& values, DType dtype = DType::u8) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values).cast(dtype);
}

/// A node of domain com.microsoft over x [1, 2, 2] u8 with scale "xs" 0.5 and zero point "xz" 10; "ys" 0.25 and "yz" 20
/// are for its output, "b" (scale "bs" 2, zero "bz" 1) is a second operand.
std::vector<int64_t> run(const std::string& op, const std::vector<std::string>& inputs, const Attributes& attributes,
                         const std::vector<int64_t>& x, const Dims& dims = {1, 2, 2}) {
  OnnxBuilder model(13);
  model.input("x", Shape(dims), DType::u8);
  auto number = [&](const char* name, float value) { model.initializer(name, Tensor::scalar(value)); };
  auto zero = [&](const char* name, int64_t value) { model.initializer(name, bytes({value}).reshaped({})); };
  number("xs", 0.5f), zero("xz", 10), number("ys", 0.25f), zero("yz", 20), number("bs", 2.0f), zero("bz", 1);
  model.initializer("b", bytes({2, 3, 4, 5}).reshaped({1, 2, 2}));
  model.initializer("w", bytes({1, 2, 3, 4, 5, 6}, DType::i8).reshaped({2, 3}));
  model.initializer("wz", bytes({0}, DType::i8).reshaped({}));
  model.initializer("c", bytes({3, -2, 0}, DType::i32));
  model.output("y");
  OnnxNode node{op, inputs, {"y"}, attributes, "n", "com.microsoft"};
  Graph graph = model.node(node).import();
  verify(graph);
  Tensor y = evaluate(graph, std::vector<Tensor>{bytes(x).reshaped(dims)})[0];
  EXPECT_EQ(y.dtype(), DType::u8);
  return y.to_ints();
}

using Ints = std::vector<int64_t>;
const std::vector<std::string> two = {"x", "xs", "xz", "b", "bs", "bz", "ys", "yz"},
                               one = {"x", "xs", "xz", "ys", "yz"};

TEST(NormalizeQuant, Arithmetic) {
  // x = 0, 1, -1, 2 and b = 2, 4, 6, 8.
  EXPECT_EQ(run("QLinearAdd", two, {}, {10, 12, 8, 14}), (Ints{28, 40, 40, 60}));
  EXPECT_EQ(run("QLinearMul", two, {}, {10, 12, 8, 14}), (Ints{20, 36, 0, 84}));
}

TEST(NormalizeQuant, Activations) {
  EXPECT_EQ(run("QLinearLeakyRelu", one, {{"alpha", 0.5f}}, {10, 12, 8, 14}), (Ints{20, 24, 18, 28}));
  EXPECT_EQ(run("QLinearSigmoid", one, {}, {10, 10, 255, 0}), (Ints{22, 22, 24, 20}));
  EXPECT_EQ(run("QLinearSoftmax", one, {{"axis", int64_t{-1}}}, {10, 10, 255, 0}), (Ints{22, 22, 24, 20}));
}

// x = 0, 0; 122.5, -5: by rows, and of opset 12 from axis 1 (its default) on as one row.
TEST(NormalizeQuant, SoftmaxOfEachOpset) {
  const Ints x{10, 10, 255, 0};
  EXPECT_EQ(run("QLinearSoftmax", one, {{"opset", int64_t{13}}}, x), (Ints{22, 22, 24, 20}));
  EXPECT_EQ(run("QLinearSoftmax", one, {{"opset", int64_t{13}}, {"axis", int64_t{1}}}, x), (Ints{20, 24, 24, 20}));
  EXPECT_EQ(run("QLinearSoftmax", one, {{"opset", int64_t{12}}, {"axis", int64_t{2}}}, x), (Ints{22, 22, 24, 20}));
  EXPECT_EQ(run("QLinearSoftmax", one, {{"opset", int64_t{12}}}, x), (Ints{20, 20, 24, 20}));
  EXPECT_THAT(error_of([&] { run("QLinearSoftmax", one, {{"opset", int64_t{12}}, {"axis", int64_t{4}}}, x); }),
              HasSubstr("axis 4"));
}

TEST(NormalizeQuant, PoolsAndConcat) {
  EXPECT_EQ(run("QLinearGlobalAveragePool", one, {}, {10, 12, 8, 16}), (Ints{22, 24}));
  EXPECT_EQ(run("QLinearAveragePool", one, {{"kernel_shape", Ints{2}}}, {10, 12, 8, 16}), (Ints{22, 24}));
  EXPECT_EQ(
      run("QLinearConcat", {"ys", "yz", "x", "xs", "xz", "b", "bs", "bz"}, {{"axis", int64_t{2}}}, {10, 12, 8, 14}),
      (Ints{20, 24, 28, 36, 16, 28, 44, 52}));
}

TEST(NormalizeQuant, Gemm) {
  // x = [0, 1; -1, 2] times w * 2, plus c * 0.5 * 2.
  EXPECT_EQ(run("QGemm", {"x", "xs", "xz", "w", "bs", "wz", "c", "ys", "yz"}, {}, {10, 12, 8, 14}, {2, 2}),
            (Ints{64, 52, 68, 88, 76, 92}));
}

TEST(NormalizeQuant, WhatOnlyTheOptimizerWritesIsRefused) {
  EXPECT_THAT(error_of([] { run("QLinearGlobalAveragePool", one, {{"channels_last", int64_t{1}}}, {1, 2, 3, 4}); }),
              HasSubstr("channels-last"));
}

/// The f32 result of a node of domain com.microsoft over x [2, 4].
std::vector<float> product(const std::string& op, const std::vector<std::string>& inputs, const Attributes& attributes,
                           DType type, const std::vector<float>& x) {
  OnnxBuilder model(13);
  model.input("x", Shape(Dims{2, 4}), type);
  model.initializer("xs", Tensor::scalar(0.5f));
  model.initializer("xz", bytes({10}).reshaped({}));
  model.initializer("w", bytes({1, 2, 3, 4, 5, 6, 7, 8}, DType::i8).reshaped({4, 2}));
  model.initializer("ws", Tensor::of<float>({2}, {1, 2}));
  model.initializer("wz", bytes({1, 2}, DType::i8));
  model.initializer("b", Tensor::of<float>({2}, {100, 200}));
  // Two channels of three weights and one that fills up, two blocks each: 1 2 | 3 . and 4 5 | 6 .
  model.initializer("n", bytes({0x21, 0x03, 0x54, 0x06}).reshaped({2, 2, 1}));
  model.initializer("ns", Tensor::of<float>({4}, {1, 10, 100, 1000}));
  model.initializer("nz", bytes({0x21, 0x03}));
  model.output("y");
  OnnxNode node{op, inputs, {"y"}, attributes, "n", "com.microsoft"};
  Graph graph = model.node(node).import();
  verify(graph);
  return evaluate(graph, std::vector<Tensor>{Tensor::of<float>({2, 4}, x).cast(type)})[0].to_floats();
}

using Floats = std::vector<float>;

TEST(NormalizeQuant, ProductsWithScales) {
  // x = 0, 1, -1, 2 and 0, 0, 0, 5 times w - (1, 2) = 0 0, 2 2, 4 4, 6 6, with scales 1 and 2.
  const Floats x{10, 12, 8, 14, 10, 10, 10, 20};
  EXPECT_EQ(product("MatMulIntegerToFloat", {"x", "w", "xs", "ws", "xz", "wz", "b"}, {}, DType::u8, x),
            (Floats{110, 220, 130, 260}));
  EXPECT_EQ(product("MatMulIntegerToFloat", {"x", "w", "xs", "ws", "xz", "wz"}, {}, DType::u8, x),
            (Floats{10, 20, 30, 60}));
  // 255 steps of 1 from -55 on: nothing is rounded.
  EXPECT_EQ(
      product("DynamicQuantizeMatMul", {"x", "w", "ws", "wz", "b"}, {}, DType::f32, {0, 1, -1, 200, -55, 0, 0, 0}),
      (Floats{1298, 2596, 100, 200}));
}

// x [1, 3, 2] u8, weights [2, 3 * 4] for two heads of two, a mask for each key.
Floats attention(const Ints& x, const std::vector<std::string>& inputs, const Attributes& more) {
  OnnxBuilder model(13);
  model.input("x", Shape{1, 3, 2}, DType::u8);
  Ints weights;
  for (int64_t i = 0; i < 24; ++i) weights.push_back(i * 7 % 19);
  model.initializer("w", bytes(weights).reshaped({2, 12}));
  model.initializer("bias", Tensor::of<float>({12}, {0, 1, 0, -1, 0.5f, 0, 0.25f, 0, 1, 2, 3, 4}));
  model.initializer("xs", Tensor::scalar(0.5f));
  model.initializer("ws", Tensor::scalar(0.125f));
  model.initializer("mask", Tensor::of<int32_t>({1, 3}, {1, 1, 0}));
  model.initializer("lengths", Tensor::of<int32_t>({1}, {2}));
  model.initializer("xz", bytes({10}).reshaped({}));
  model.initializer("wz", bytes({9}).reshaped({}));
  model.output("y");
  Attributes attributes{{"num_heads", int64_t{2}}};
  attributes.insert(more.begin(), more.end());
  Graph graph = model.node({"QAttention", inputs, {"y"}, attributes, "n", "com.microsoft"}).import();
  verify(graph);
  return evaluate(graph, std::vector<Tensor>{bytes(x).reshaped({1, 3, 2})})[0].to_floats();
}

/// The same, step by step; `sees(q, k)` says whether query q sees key k.
template <class Sees>
Floats attention_by_hand(const Ints& x, Sees sees) {
  const float bias[] = {0, 1, 0, -1, 0.5f, 0, 0.25f, 0, 1, 2, 3, 4};
  float qkv[3][12];
  for (size_t s = 0; s < 3; ++s)
    for (size_t o = 0; o < 12; ++o) {
      qkv[s][o] = bias[o];
      for (size_t c = 0; c < 2; ++c) {
        auto w = static_cast<float>(static_cast<int>((c * 12 + o) * 7 % 19) - 9);
        qkv[s][o] += 0.0625f * static_cast<float>(x[s * 2 + c] - 10) * w;
      }
    }
  Floats y;
  for (size_t q = 0; q < 3; ++q)
    for (size_t h = 0; h < 2; ++h) {
      float sum = 0, v0 = 0, v1 = 0;
      for (size_t k = 0; k < 3; ++k) {
        if (!sees(q, k)) continue;
        float score = qkv[q][2 * h] * qkv[k][4 + 2 * h] + qkv[q][2 * h + 1] * qkv[k][5 + 2 * h];
        float e = std::exp(score / std::sqrt(2.0f));
        sum += e, v0 += e * qkv[k][8 + 2 * h], v1 += e * qkv[k][9 + 2 * h];
      }
      y.push_back(v0 / sum), y.push_back(v1 / sum);
    }
  return y;
}

TEST(NormalizeQuant, Attention) {
  const Ints x{10, 14, 12, 7, 9, 11};
  auto near = [](const Floats& want) { return testing::Pointwise(testing::FloatNear(1e-4f), want); };
  const std::vector<std::string> all{"x", "w", "bias", "xs", "ws", "", "xz", "wz"};
  EXPECT_THAT(attention(x, all, {}), near(attention_by_hand(x, [](size_t, size_t) { return true; })));
  EXPECT_THAT(attention(x, all, {{"unidirectional", int64_t{1}}}),
              near(attention_by_hand(x, [](size_t q, size_t k) { return k <= q; })));
  EXPECT_THAT(attention(x, {"x", "w", "bias", "xs", "ws", "mask", "xz", "wz"}, {{"mask_filter_value", -1e4f}}),
              near(attention_by_hand(x, [](size_t, size_t k) { return k < 2; })));
  EXPECT_THAT(error_of([&] { attention(x, {"x", "w", "bias", "xs", "ws", "lengths", "xz", "wz"}, {}); }),
              HasSubstr("mask of lengths"));
  EXPECT_THAT(error_of([&] { attention(x, all, {{"do_rotary", int64_t{1}}}); }), HasSubstr("do_rotary"));
}

TEST(NormalizeQuant, WeightsInBlocksOfFewBits) {
  const Attributes sizes{{"K", int64_t{4}}, {"N", int64_t{2}}, {"bits", int64_t{4}}, {"block_size", int64_t{2}}};
  // Without zero points 8 is taken off: -7 -6 | -50 -80 and -400 -300 | -2000 -8000.
  EXPECT_EQ(product("MatMulNBits", {"x", "n", "ns"}, sizes, DType::f32, {1, 0, 0, 0, 0, 1, 1, 0}),
            (Floats{-7, -400, -56, -2300}));
  // Zero points 1 | 2 and 3 | 0: 0 1 | 10 -20 and 100 200 | 6000 0.
  EXPECT_EQ(product("MatMulNBits", {"x", "n", "ns", "nz", "", "b"}, sizes, DType::f32, {1, 1, 1, 1, 0, 0, 0, 1}),
            (Floats{91, 6500, 80, 200}));
  EXPECT_THAT(error_of([&] {
                product("MatMulNBits", {"x", "n", "ns"},
                        {{"K", int64_t{40}}, {"N", int64_t{2}}, {"block_size", int64_t{2}}}, DType::f32, Floats(8));
              }),
              HasSubstr("expected 40 bytes and 40 numbers"));
  EXPECT_THAT(error_of([&] {
                product("MatMulNBits", {"x", "n", "ns"}, {{"bits", int64_t{3}}}, DType::f32, Floats(8));
              }),
              HasSubstr("3 bits"));
}

}  // namespace
}  // namespace hone
