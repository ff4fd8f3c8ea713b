#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph_checks.hpp"
#include "onnx_builder.hpp"

using namespace hone;
using namespace hone::testing_tools;
using ::testing::HasSubstr;

namespace {

std::string body_attribute(const std::string& name, const OnnxBuilder& body) {
  return message([&](PbfWriter& out) {
    out.add_string(onnx::attribute::name, name);
    out.add_message(onnx::attribute::g, body.graph);
    out.add_enum(onnx::attribute::type, static_cast<int>(onnx::AttributeType::graph));
  });
}

OnnxNode flex(const Attributes& attributes = {}) {
  return {"FlexAttention", {"q", "k", "v"}, {"y"}, attributes, "attend", "ai.onnx.preview"};
}

OnnxBuilder model(int64_t kv_heads) {
  OnnxBuilder builder(26);
  builder.input("q", Shape{2, 4, 3, 8}).input("k", Shape{2, kv_heads, 5, 8}).input("v", Shape{2, kv_heads, 5, 6});
  builder.output("y");
  return builder;
}

/// The op Attention of the same inputs, whose evaluation has tests of its own.
Tensor attention(const std::vector<Tensor>& inputs, const Attributes& attributes) {
  Graph graph;
  std::vector<Value*> values;
  for (const Tensor& input : inputs) values.push_back(graph.add_constant("c", input));
  auto op = make_op("", "Attention");
  set_attributes(*op, attributes);
  graph.add_output("y", graph.add(std::move(op), values)->output());
  return evaluate(graph, {})[0];
}

TEST(FlexAttention, IsAttentionWithoutGraphs) {
  for (int64_t heads : {4, 2}) {
    Graph graph = model(heads).node(flex({{"scale", 0.3f}})).import();
    auto inputs = random_inputs(graph, 1);
    expect_near(evaluate(graph, inputs)[0], attention(inputs, {{"scale", 0.3f}}), 1e-5, 1e-6);
  }
  Graph graph = model(4).node(flex({{"softmax_precision", int64_t{11}}})).import();
  auto inputs = random_inputs(graph, 2);
  expect_near(evaluate(graph, inputs)[0], attention(inputs, {}), 1e-5, 1e-6);
}

TEST(FlexAttention, PutsItsGraphsInPlace) {
  // A bias from the graph around is the mask of Attention.
  OnnxBuilder body, whole = model(4);
  body.input("s", Shape{2, 4, 3, 5}).output("t").node({"Add", {"s", "bias"}, {"t"}, {}, "plus"});
  Tensor bias = random_tensor(DType::f32, {3, 5}, 7);
  Graph graph = whole.initializer("bias", bias).node(flex(), body_attribute("score_mod", body)).import();
  auto inputs = random_inputs(graph, 3);
  std::vector<Tensor> masked = inputs;
  masked.push_back(bias);
  expect_near(evaluate(graph, inputs)[0], attention(masked, {}), 1e-5, 1e-6);

  OnnxBuilder twice, shares = model(4);
  twice.input("p", Shape{2, 4, 3, 5}).output("t").node({"Add", {"p", "p"}, {"t"}, {}, "double"});
  graph = shares.node(flex(), body_attribute("prob_mod", twice)).import();
  inputs[2] = random_tensor(DType::f32, {2, 4, 5, 6}, 9);
  Tensor once = attention(inputs, {}), y = evaluate(graph, inputs)[0];
  for (int64_t i = 0; i < y.size(); ++i)
    EXPECT_NEAR(y.data<float>()[static_cast<size_t>(i)], 2 * once.data<float>()[static_cast<size_t>(i)], 1e-5);
}

TEST(FlexAttention, SaysWhatDoesNotFit) {
  auto failure = [](OnnxBuilder builder) {
    try {
      builder.import();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(failure(model(3).node(flex())), HasSubstr("4 heads of q, which cannot share 3 of k"));
  OnnxBuilder two;
  two.input("a", Shape{1}).input("b", Shape{1}).output("t").node({"Add", {"a", "b"}, {"t"}, {}, "plus"});
  EXPECT_THAT(failure(model(4).node(flex(), body_attribute("score_mod", two))), HasSubstr("graph 'score_mod' has 2"));
  OnnxBuilder flat(26);
  flat.input("q", Shape{2, 4}).input("k", Shape{2, 4}).input("v", Shape{2, 4}).output("y");
  EXPECT_THAT(failure(flat.node(flex())), HasSubstr("expected [batch, heads, steps, size]"));
}

}  // namespace
