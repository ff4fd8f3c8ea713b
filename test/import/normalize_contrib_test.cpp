#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/verify.hpp"
#include "import/onnx_builder.hpp"

// What ONNX Runtime's optimizer makes computes what it was made of. Expected numbers come from the equations, by hand.
namespace hone {
namespace {

using namespace testing_tools;
using testing::HasSubstr;

using Floats = std::vector<float>;

/// One node of domain com.microsoft over the input x; the other inputs are constants.
struct Contributed {
  OnnxNode node;
  Dims dims;
  std::vector<std::pair<std::string, Tensor>> constants = {};
  DType dtype = DType::f32;

  Graph import() const {
    OnnxBuilder model(17);
    model.input("x", Shape(dims), dtype);
    for (auto& [name, tensor] : constants) model.initializer(name, tensor);
    OnnxNode made = node;
    if (made.domain.empty()) made.domain = "com.microsoft";
    model.node(made);
    for (const std::string& output : node.outputs)
      if (!output.empty()) model.output(output);
    return model.import();
  }
  std::vector<Floats> run(const Floats& x) const {
    Graph graph = import();
    verify(graph);
    std::vector<Floats> results;
    for (const Tensor& y : evaluate(graph, std::vector<Tensor>{Tensor::of<float>(dims, x).cast(dtype)}))
      results.push_back(y.to_floats());
    return results;
  }
};

void expect_close(const Floats& got, const Floats& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 2e-5f) << "element " << i;
}

Tensor floats(Dims dims, const Floats& values) { return Tensor::of<float>(std::move(dims), values); }

TEST(NormalizeContrib, Gelus) {
  Contributed gelu{{"Gelu", {"x"}, {"y"}}, {2}, {{"b", floats({2}, {1, -1})}}};
  expect_close(gelu.run({1, -1})[0], {0.84134475f, -0.15865525f});
  gelu.node = {"BiasGelu", {"x", "b"}, {"y"}};
  expect_close(gelu.run({0, 0})[0], {0.84134475f, -0.15865525f});
  gelu.node = {"FastGelu", {"x", "b"}, {"y"}};
  expect_close(gelu.run({0, 0})[0], {0.84119199f, -0.15880801f});
  gelu.node = {"FastGelu", {"x"}, {"y"}};
  expect_close(gelu.run({1, -1})[0], {0.84119199f, -0.15880801f});
  gelu.node = {"QuickGelu", {"x"}, {"y"}};
  expect_close(gelu.run({1, -1})[0], {0.84579577f, -0.15420423f});
  gelu.node.attributes["alpha"] = 1.0f;
  expect_close(gelu.run({1, -1})[0], {0.73105858f, -0.26894142f});
}

TEST(NormalizeContrib, ProductsWithActivations) {
  Contributed conv{{"FusedConv", {"x", "w", "b", "z"}, {"y"}, {{"activation", std::string("Relu")}}}, {1, 1, 3}};
  conv.constants = {{"w", floats({1, 1, 1}, {2})}, {"b", floats({1}, {1})}, {"z", floats({1, 1, 3}, {0, -10, 5})}};
  EXPECT_EQ(conv.run({1, 2, 3})[0], (Floats{3, 0, 12}));
  conv.node = {"FusedConv", {"x", "w"}, {"y"},
               {{"activation", std::string("Clip")}, {"activation_params", Floats{0, 5}}, {"pads", Dims{1, 0}}}};
  EXPECT_EQ(conv.run({1, 2, 3})[0], (Floats{0, 2, 4, 5}));
  conv.node.attributes = {{"activation", std::string("LeakyRelu")}, {"activation_params", Floats{0.5f}}};
  EXPECT_EQ(conv.run({1, -2, 3})[0], (Floats{2, -2, 6}));
  conv.node.attributes = {{"activation", std::string("Elu")}};
  EXPECT_THAT(error_of([&] { conv.import(); }), HasSubstr("activation 'Elu'"));

  Contributed gemm{{"FusedGemm", {"x", "w", "b"}, {"y"}}, {1, 2}};
  gemm.constants = {{"w", floats({2, 2}, {1, 2, 3, 4})}, {"b", floats({2}, {1, -20})}};
  gemm.node.attributes = {{"transB", int64_t{1}}, {"activation", std::string("LeakyRelu")}, {"activation_alpha", 0.1f}};
  expect_close(gemm.run({1, 1})[0], {4, -1.3f});
}

TEST(NormalizeContrib, FusedMatMul) {
  Contributed product{{"FusedMatMul", {"x", "w"}, {"y"}, {{"transB", int64_t{1}}, {"alpha", 0.5f}}}, {1, 1, 2}};
  product.constants = {{"w", floats({2, 2}, {1, 2, 3, 4})}};
  EXPECT_EQ(product.run({1, 1})[0], (Floats{1.5f, 3.5f}));
  product.node.attributes = {{"transA", int64_t{1}}};
  product.dims = {2, 1};
  EXPECT_EQ(product.run({1, 1})[0], (Floats{4, 6}));
  product.node.attributes = {{"transBatchA", int64_t{1}}};
  EXPECT_THAT(error_of([&] { product.import(); }), HasSubstr("transBatchA"));
}

TEST(NormalizeContrib, SkipLayerNormalization) {
  Contributed norm{{"SkipLayerNormalization", {"x", "s", "g", "b", "c"}, {"y", "", "", "sum"}}, {1, 1, 2}};
  norm.constants = {{"s", floats({1, 1, 2}, {1, 1})}, {"g", floats({2}, {1, 2})},
                    {"b", floats({2}, {0, 10})},      {"c", floats({2}, {1, 0})}};
  std::vector<Floats> y = norm.run({0, 7});  // the sum is 2, 8: mean 5, deviation 3
  ASSERT_EQ(y.size(), 2u);
  expect_close(y[0], {-1, 12});
  EXPECT_EQ(y[1], (Floats{2, 8}));
  norm.node.inputs = {"x", "s", "g"};
  norm.node.outputs = {"y"};
  expect_close(norm.run({0, 6})[0], {-1, 2});
}

TEST(NormalizeContrib, SimplifiedLayerNormalization) {
  Contributed norm{{"SimplifiedLayerNormalization", {"x", "g"}, {"y"}, {{"epsilon", 0.0f}}, "n", "ai.onnx"}, {1, 2}};
  norm.constants = {{"g", floats({2}, {1, 2})}};
  expect_close(norm.run({1, 7})[0], {0.2f, 2.8f});  // the root of the mean square is 5
}

// One head, two steps of size 1; scores are q k, shares of scores 0 and 1 are 0.26894142 and 0.73105858.
TEST(NormalizeContrib, AttentionOfHeads) {
  Contributed heads{{"MultiHeadAttention", {"x", "k", "v"}, {"y"}, {{"num_heads", int64_t{1}}}}, {1, 1, 1}};
  heads.constants = {{"k", floats({1, 2, 1}, {0, 1})},
                     {"v", floats({1, 2, 1}, {10, 20})},
                     {"bias", floats({3}, {1, 0, 5})},
                     {"seen", Tensor::of<int32_t>({1, 2}, {1, 0})},
                     {"plus", floats({1, 1, 1, 2}, {1, 0})}};
  expect_close(heads.run({1})[0], {17.3105858f});
  heads.node.inputs = {"x", "k", "v", "bias"};
  expect_close(heads.run({0})[0], {22.3105858f});
  heads.node.inputs = {"x", "k", "v", "", "seen"};
  expect_close(heads.run({1})[0], {10});
  heads.node.inputs = {"x", "k", "v", "", "", "plus"};
  expect_close(heads.run({1})[0], {15});
  heads.node.inputs = {"x", "k", "v", "", "seen", "plus"};
  expect_close(heads.run({1})[0], {10});
  heads.node.attributes["scale"] = 0.0f;  // means the default
  expect_close(heads.run({1})[0], {10});
  heads.node.attributes["unidirectional"] = int64_t{1};
  heads.node.inputs = {"x", "k", "v"};
  expect_close(heads.run({1})[0], {10});
  heads.node.inputs = {"x"};
  EXPECT_THAT(error_of([&] { heads.import(); }), HasSubstr("q, k and v in one input"));
}

TEST(NormalizeContrib, PackedAttention) {
  // q = x, k = x, v = 10 x + 5 of the steps 0 and 1.
  Contributed packed{{"Attention", {"x", "w", "b"}, {"y"}, {{"num_heads", int64_t{1}}}}, {1, 2, 1}};
  packed.constants = {{"w", floats({1, 3}, {1, 1, 10})},
                      {"b", floats({3}, {0, 0, 5})},
                      {"wide", floats({1, 4}, {1, 1, 10, 1})},
                      {"seen", Tensor::of<int32_t>({1, 2}, {1, 0})},
                      {"lengths", Tensor::of<int32_t>({1}, {1})}};
  expect_close(packed.run({0, 1})[0], {10, 12.3105858f});
  packed.node.inputs = {"x", "w", "b", "seen"};
  expect_close(packed.run({0, 1})[0], {5, 5});
  packed.node.inputs = {"x", "wide"};
  packed.node.attributes["qkv_hidden_sizes"] = Dims{1, 1, 2};
  expect_close(packed.run({0, 1})[0], {5, 0.5f, 7.3105858f, 0.73105858f});
  packed.node.attributes.erase("qkv_hidden_sizes");
  packed.node.inputs = {"x", "w", "b", "lengths"};
  EXPECT_THAT(error_of([&] { packed.import(); }), HasSubstr("mask of lengths"));
  packed.node.attributes["num_heads"] = int64_t{0};
  EXPECT_THAT(error_of([&] { packed.import(); }), HasSubstr("num_heads 0"));
}

TEST(NormalizeContrib, QuantizedWhere) {
  Contributed where{{"QLinearWhere", {"x", "a", "s", "z", "b", "s", "z", "t", "z"}, {"y"}}, {2}, {}, DType::boolean};
  auto byte = [](const Floats& values) {
    return floats({static_cast<int64_t>(values.size())}, values).cast(DType::u8);
  };
  where.constants = {{"a", byte({12, 14})},
                     {"b", byte({20, 30})},
                     {"s", Tensor::scalar(0.5f)},
                     {"z", byte({10}).reshaped({})},
                     {"t", Tensor::scalar(0.25f)}};
  EXPECT_EQ(where.run({1, 0})[0], (Floats{14, 50}));
}

TEST(NormalizeContrib, MissingInputsAreErrors) {
  for (const char* op : {"FusedConv", "FusedGemm", "FusedMatMul", "BiasGelu", "SkipLayerNormalization", "Attention",
                         "QLinearWhere", "MultiHeadAttention"}) {
    Contributed node{{op, {"x"}, {"y"}, {{"num_heads", int64_t{1}}}}, {1, 2, 2}};
    EXPECT_NE(error_of([&] { node.import(); }), "no error") << op;
  }
}

}  // namespace
}  // namespace hone
