#include "train/graph_module.hpp"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "train/templates.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

using Ints = std::vector<int64_t>;

struct Case {
  const char* name;
  Dims input;
  std::function<Value*(TestGraph&, Value*)> build;
};

Value* unary(TestGraph& g, Value* x, const char* type, const Attributes& attributes = {}, const char* domain = "") {
  return g.op(type, {x}, attributes, domain);
}

std::vector<Case> convolutions() {
  return {
      {"conv", {2, 3, 7, 6}, [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {4, 3, 3, 3}), g.floats("b", {4})}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}});
       }},
      {"conv groups, dilation, asymmetric pads", {2, 4, 9, 8}, [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {6, 2, 3, 3})},
                     {{"pads", Ints{0, 1, 2, 3}}, {"dilations", Ints{2, 1}}, {"group", int64_t{2}}});
       }},
      {"conv same upper", {1, 2, 7, 8}, [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {2, 2, 4, 3})}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}});
       }},
      {"conv same lower", {1, 2, 7, 8}, [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {2, 2, 4, 3})}, {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{2, 2}}});
       }},
      {"conv 1-d", {2, 3, 9}, [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {4, 3, 3})}, {{"pads", Ints{1, 0}}});
       }},
      {"transposed conv", {1, 3, 4, 5}, [](TestGraph& g, Value* x) {
         return g.op("ConvTranspose", {x, g.floats("w", {3, 2, 3, 3}), g.floats("b", {2})},
                     {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 0}}});
       }},
      {"transposed conv, asymmetric pads, groups", {1, 4, 4, 5}, [](TestGraph& g, Value* x) {
         return g.op("ConvTranspose", {x, g.floats("w", {4, 2, 3, 3})},
                     {{"strides", Ints{2, 1}}, {"pads", Ints{0, 1, 1, 0}}, {"group", int64_t{2}}});
       }},
      {"batch norm", {2, 3, 4, 4}, [](TestGraph& g, Value* x) { return g.batch_norm(x, "bn"); }},
      {"gemm", {3, 4}, [](TestGraph& g, Value* x) {
         return g.op("Gemm", {x, g.floats("w", {5, 4}), g.floats("b", {5})}, {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}});
       }},
      {"matmul", {2, 3, 4}, [](TestGraph& g, Value* x) {
         return g.op("Add", {g.op("MatMul", {x, g.floats("w", {4, 5})}), g.floats("b", {5})});
       }},
      {"matmul with transposed weight", {3, 4}, [](TestGraph& g, Value* x) {
         return g.op("MatMul", {x, g.op("Transpose", {g.floats("w", {5, 4})}, {{"perm", Ints{1, 0}}})});
       }},
      {"layer norm", {2, 3, 8}, [](TestGraph& g, Value* x) {
         return g.op("LayerNormalization", {x, g.floats("s", {8}), g.floats("b", {8})}, {{"axis", int64_t{-1}}});
       }},
      {"prelu", {2, 3, 4, 4}, [](TestGraph& g, Value* x) { return g.op("PRelu", {x, g.floats("slope", {3, 1, 1})}); }},
  };
}

std::vector<Case> elementwise() {
  std::vector<Case> cases = {
      {"clip", {4, 5}, [](TestGraph& g, Value* x) { return g.op("Clip", {x, g.scalar(-0.3f), g.scalar(0.6f)}); }},
      {"clip above", {4, 5}, [](TestGraph& g, Value* x) { return g.op("Clip", {x, nullptr, g.scalar(0.2f)}); }},
      {"leaky relu", {4, 5}, [](TestGraph& g, Value* x) { return unary(g, x, "LeakyRelu", {{"alpha", 0.2f}}); }},
      {"elu", {4, 5}, [](TestGraph& g, Value* x) { return unary(g, x, "Elu", {{"alpha", 0.7f}}); }},
      {"hard sigmoid", {4, 5}, [](TestGraph& g, Value* x) { return unary(g, x, "HardSigmoid", {{"alpha", 0.9f}, {"beta", 0.4f}}); }},
      {"swish", {4, 5}, [](TestGraph& g, Value* x) { return unary(g, x, "Swish", {}, "hone"); }},
      {"gelu tanh", {4, 5}, [](TestGraph& g, Value* x) { return unary(g, x, "Gelu", {{"approximate", std::string("tanh")}}); }},
      {"softmax", {2, 3, 4}, [](TestGraph& g, Value* x) { return unary(g, x, "Softmax", {{"axis", int64_t{1}}}); }},
      {"log softmax", {2, 3, 4}, [](TestGraph& g, Value* x) { return unary(g, x, "LogSoftmax"); }},
      {"arithmetic", {2, 3}, [](TestGraph& g, Value* x) {
         Value* a = g.op("Mul", {g.op("Sub", {x, g.floats("c", {3})}), x});
         return g.op("Div", {a, g.floats("d", {2, 1}, 1, 2)});
       }},
      {"pow sqrt log", {2, 3}, [](TestGraph& g, Value* x) {
         Value* square = g.op("Add", {g.op("Pow", {x, g.scalar(2)}), g.scalar(0.5f)});
         return g.op("Add", {g.op("Log", {square}), g.op("Sqrt", {square})});
       }},
      {"min max", {2, 3}, [](TestGraph& g, Value* x) {
         return g.op("Max", {g.op("Min", {x, g.floats("c", {3}), g.floats("d", {2, 1})}), g.op("Neg", {x})});
       }},
      {"where", {2, 3}, [](TestGraph& g, Value* x) {
         Value* mask = g.graph.add_constant("mask", Tensor::of<bool>({3}, {true, false, true}));
         return g.op("Where", {mask, x, g.floats("c", {2, 1})});
       }},
      {"dropout", {2, 3}, [](TestGraph& g, Value* x) { return g.op("Dropout", {x, g.scalar(0.5f)}); }},
      {"cast", {2, 3}, [](TestGraph& g, Value* x) {
         Value* whole = g.op("Cast", {g.op("Mul", {x, g.scalar(5)})}, {{"to", int64_t{6}}});
         return g.op("Cast", {whole}, {{"to", int64_t{1}}});
       }},
  };
  for (const char* type : {"Relu", "Sigmoid", "HardSwish", "Gelu", "Tanh", "Softplus", "Mish", "Exp", "Neg", "Abs", "Erf", "Identity"})
    cases.push_back({type, {3, 7}, [type](TestGraph& g, Value* x) { return unary(g, x, type); }});
  return cases;
}

std::vector<Case> pools() {
  auto pool = [](const char* type, Attributes attributes) {
    return [=](TestGraph& g, Value* x) { return g.op(type, {x}, attributes); };
  };
  const Ints k3{3, 3}, s2{2, 2};
  return {
      {"max pool", {1, 2, 7, 8}, pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{1, 1, 1, 1}}})},
      {"max pool ceil", {1, 2, 8, 6}, pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"ceil_mode", int64_t{1}}})},
      {"max pool asymmetric", {1, 2, 7, 7}, pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{0, 1, 2, 0}}})},
      {"max pool asymmetric ceil", {1, 2, 7, 8},
       pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{0, 0, 1, 1}}, {"ceil_mode", int64_t{1}}})},
      {"max pool same", {1, 2, 7, 8}, pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"auto_pad", std::string("SAME_UPPER")}})},
      {"average pool", {1, 2, 7, 8}, pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{1, 1, 1, 1}}})},
      {"average pool with pad", {1, 2, 7, 8},
       pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{1, 1, 1, 1}}, {"count_include_pad", int64_t{1}}})},
      {"average pool asymmetric", {1, 2, 7, 8}, pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{0, 1, 2, 0}}})},
      {"average pool ceil", {1, 2, 8, 6}, pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"ceil_mode", int64_t{1}}})},
      {"average pool ceil with pad", {1, 2, 8, 6},
       pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{1, 1, 1, 1}}, {"ceil_mode", int64_t{1}},
                            {"count_include_pad", int64_t{1}}})},
      {"global average pool", {2, 3, 4, 5}, pool("GlobalAveragePool", {})},
      {"global max pool", {2, 3, 4, 5}, pool("GlobalMaxPool", {})},
      {"reduce mean", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("ReduceMean", {x, g.ints({-1, 0})}, {{"keepdims", int64_t{0}}}); }},
      {"reduce sum", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("ReduceSum", {x, g.ints({1})}); }},
      {"reduce max", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("ReduceMax", {x}); }},
  };
}

std::vector<Case> shapes() {
  return {
      {"flatten", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("Flatten", {x}, {{"axis", int64_t{2}}}); }},
      {"reshape", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("Reshape", {x, g.ints({0, -1})}); }},
      {"transpose", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("Transpose", {x}, {{"perm", Ints{2, 0, 1}}}); }},
      {"squeeze", {2, 1, 4, 1}, [](TestGraph& g, Value* x) { return g.op("Squeeze", {x, g.ints({-1, 1})}); }},
      {"unsqueeze", {2, 3}, [](TestGraph& g, Value* x) { return g.op("Unsqueeze", {x, g.ints({0, -1})}); }},
      {"expand", {3, 1}, [](TestGraph& g, Value* x) { return g.op("Expand", {x, g.ints({2, 1, 4})}); }},
      {"concat", {2, 3}, [](TestGraph& g, Value* x) { return g.op("Concat", {x, g.floats("c", {2, 2}), x}, {{"axis", int64_t{-1}}}); }},
      {"split", {2, 7}, [](TestGraph& g, Value* x) {
         Node* split = g.node("Split", {x, g.ints({3, 4})}, {{"axis", int64_t{1}}}, 2);
         return g.op("Concat", {split->output(1), split->output(0)}, {{"axis", int64_t{1}}});
       }},
      {"split into equal parts", {7, 2}, [](TestGraph& g, Value* x) {
         Node* split = g.node("Split", {x}, {{"num_outputs", int64_t{3}}}, 3);
         return g.op("Concat", {split->output(2), split->output(0)}, {{"axis", int64_t{0}}});
       }},
      {"slice", {5, 6}, [](TestGraph& g, Value* x) {
         return g.op("Slice", {x, g.ints({-4, 5}), g.ints({99, -99}), g.ints({0, 1}), g.ints({2, -2})});
       }},
      {"gather", {4, 3}, [](TestGraph& g, Value* x) { return g.op("Gather", {x, g.ints({2, -1, 0, 2})}, {{"axis", int64_t{0}}}); }},
      {"pad", {2, 3}, [](TestGraph& g, Value* x) { return g.op("Pad", {x, g.ints({1, -1, 0, 2}), g.scalar(0.5f)}); }},
      {"pad reflect", {3, 4}, [](TestGraph& g, Value* x) { return g.op("Pad", {x, g.ints({2, 1, 1, 3})}, {{"mode", std::string("reflect")}}); }},
      {"pad edge", {3, 4}, [](TestGraph& g, Value* x) { return g.op("Pad", {x, g.ints({2, 0, 1, 3})}, {{"mode", std::string("edge")}}); }},
      {"depth to space", {1, 8, 2, 3}, [](TestGraph& g, Value* x) { return g.op("DepthToSpace", {x}, {{"blocksize", int64_t{2}}}); }},
      {"depth to space crd", {1, 8, 2, 3}, [](TestGraph& g, Value* x) {
         return g.op("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
       }},
      {"shape arithmetic", {2, 3, 4}, [](TestGraph& g, Value* x) {
         Value* size = g.op("Slice", {g.op("Shape", {x}), g.ints({0}), g.ints({1})});
         return g.op("Reshape", {x, g.op("Concat", {size, g.ints({-1})}, {{"axis", int64_t{0}}})});
       }},
      {"constant", {2, 3}, [](TestGraph& g, Value* x) {
         return g.op("Add", {x, g.op("Constant", {}, {{"value", Tensor::of<float>({3}, {1, 2, 3})}})});
       }},
  };
}

std::vector<Case> resizes() {
  std::vector<Case> cases;
  for (const char* mode : {"nearest", "linear"})
    for (const char* transform : {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"})
      for (const char* rounding : {"round_prefer_floor", "floor", "ceil"})
        for (float scale : {2.0f, 1.5f, 0.6f}) {
          if (std::string(mode) == "linear" && std::string(rounding) != "floor") continue;
          cases.push_back({mode, {1, 2, 5, 6}, [=](TestGraph& g, Value* x) {
                             Value* scales = g.graph.add_constant("scales", Tensor::of<float>({4}, {1, 1, scale, 2}));
                             return g.op("Resize", {x, nullptr, scales},
                                         {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string(transform)},
                                          {"nearest_mode", std::string(rounding)}});
                           }});
        }
  for (bool shrink : {false, true})
    for (const char* mode : {"linear", "cubic"})
      cases.push_back({"antialias", {1, 2, 8, 9}, [=](TestGraph& g, Value* x) {
                         return g.op("Resize", {x, nullptr, nullptr, g.ints({1, 2, shrink ? 3 : 11, 4})},
                                     {{"mode", std::string(mode)}, {"antialias", int64_t{1}}});
                       }});
  cases.push_back({"sizes", {1, 2, 5, 6}, [](TestGraph& g, Value* x) {
                     return g.op("Resize", {x, nullptr, nullptr, g.ints({1, 2, 8, 3})}, {{"mode", std::string("linear")}});
                   }});
  return cases;
}

void check(const std::vector<Case>& cases) {
  for (const Case& item : cases) {
    SCOPED_TRACE(item.name);
    TestGraph g(11);
    Value* x = g.input("x", item.input);
    g.graph.add_output("y", item.build(g, x));
    std::vector<Tensor> inputs{random_tensor(item.input, g.rng)};
    std::vector<Tensor> expected = evaluate(g.graph, inputs);
    for (bool channels_last : {true, false}) {
      std::vector<Tensor> got = GraphModule(g.graph, {.channels_last = channels_last}).forward(inputs);
      EXPECT_LT(difference(got[0], expected[0]), 1e-4) << to_string(got[0].dims()) << " and " << to_string(expected[0].dims());
    }
  }
}

TEST(GraphModule, ConvolutionsAndNormsAreThoseOfTheReference) { check(convolutions()); }
TEST(GraphModule, ElementwiseOpsAreThoseOfTheReference) { check(elementwise()); }
TEST(GraphModule, PoolsAndReductionsAreThoseOfTheReference) { check(pools()); }
TEST(GraphModule, ShapeOpsAreThoseOfTheReference) { check(shapes()); }
TEST(GraphModule, ResizeIsThatOfTheReference) { check(resizes()); }

TEST(GraphModule, TemplatesAreThoseOfTheReference) {
  for (int side : {32, 64}) {
    Graph graph = build_template("mobilenet_v2", {.classes = 3, .width = 0.25, .height = side, .width_px = side, .zero_gamma = false});
    Rng rng(3);
    std::vector<Tensor> inputs{random_tensor({2, 3, side, side}, rng)};
    GraphModule module(graph);
    for (int i = 0; i < 3; ++i) module.forward(inputs, true);  // moves the statistics
    module.store(graph);
    EXPECT_LT(difference(module.forward(inputs)[0], evaluate(graph, inputs)[0]), 1e-4);
  }
}

/// Compares gradients with central differences in double-free form: the largest error relative to the largest gradient.
void check_gradients(const std::vector<Case>& cases, bool training) {
  for (const Case& item : cases) {
    SCOPED_TRACE(item.name);
    TestGraph g(5);
    // Every case becomes differentiable by a parameter in front: a per-element scale by MatMul is not general, so a bias
    // after a 1x1 product of the last axis feeds the case.
    Value* x = g.input("x", item.input);
    int64_t last = item.input.back();
    Value* fed = g.op("Add", {g.op("MatMul", {x, g.floats("front", {last, last})}), g.floats("front_bias", {last})});
    g.graph.add_output("y", item.build(g, fed));
    std::vector<Tensor> inputs{random_tensor(item.input, g.rng)};
    GraphModule module(g.graph);
    Tensor y = module.forward(inputs)[0];
    std::vector<Tensor> weight{random_tensor(y.dims(), g.rng)};
    auto gradients = module.gradients(inputs, weight, training);
    auto loss = [&] {
      std::vector<float> values = module.forward(inputs, training)[0].to_floats(), w = weight[0].to_floats();
      double sum = 0;
      for (size_t i = 0; i < values.size(); ++i) sum += static_cast<double>(values[i]) * w[i];
      return sum;
    };
    for (const std::string& name : module.parameters()) {
      Tensor value = module.value(name);
      auto gradient = gradients.at(name).to_floats();
      double scale = 0.1;
      for (float v : gradient) scale = std::max(scale, static_cast<double>(std::abs(v)));
      for (int64_t i = 0; i < value.size(); i += std::max<int64_t>(1, value.size() / 5)) {
        constexpr float h = 4e-3f;
        auto moved = [&](float by) {
          Tensor copy = value.clone();
          copy.mutable_data<float>()[static_cast<size_t>(i)] += by;
          module.set_value(name, copy);
          return loss();
        };
        double numeric = (moved(h) - moved(-h)) / (2 * h);
        module.set_value(name, value);
        EXPECT_NEAR(gradient[static_cast<size_t>(i)], numeric, 0.03 * scale) << name << " " << i;
      }
    }
  }
}

TEST(GraphModule, GradientsAreThoseOfFiniteDifferences) {
  check_gradients(convolutions(), false);
  check_gradients({convolutions()[7]}, true);  // batch normalization by batch statistics
  // Functions with kinks or constant pieces are left out: differences do not work there.
  std::vector<Case> smooth;
  for (const Case& item : elementwise())
    if (testing::Matches(testing::AnyOf(testing::StrEq("Sigmoid"), testing::StrEq("Gelu"), testing::StrEq("Tanh"), testing::StrEq("Mish"),
                                        testing::StrEq("swish"), testing::StrEq("softmax"), testing::StrEq("arithmetic"),
                                        testing::StrEq("pow sqrt log"), testing::StrEq("Erf"), testing::StrEq("log softmax")))(item.name))
      smooth.push_back(item);
  EXPECT_EQ(smooth.size(), 10u);
  check_gradients(smooth, false);
  check_gradients(shapes(), false);
}

TEST(GraphModule, OverwritingActivationsKeepsGradients) {
  TestGraph g;
  Value* x = g.input("x", {4, 3, 6, 6});
  Value* y = g.op("Conv", {x, g.floats("w", {4, 3, 3, 3})}, {{"pads", Ints{1, 1, 1, 1}}});
  y = g.op("Clip", {g.batch_norm(y, "bn"), g.scalar(0), g.scalar(6)});
  Value* z = g.op("Conv", {y, g.floats("w2", {4, 4, 1, 1})});
  z = g.op("Relu", {g.op("Add", {z, y})});
  g.graph.add_output("y", z);
  g.graph.add_output("before", y);
  std::vector<Tensor> inputs{random_tensor({4, 3, 6, 6}, g.rng)};
  std::vector<Tensor> weights{random_tensor({4, 4, 6, 6}, g.rng), random_tensor({4, 4, 6, 6}, g.rng)};
  GraphModule module(g.graph);
  auto gradients = module.gradients(inputs, weights);
  EXPECT_EQ(gradients.size(), 4u);  // two weights, scale and bias
  Tensor value = module.value("w");
  auto loss = [&](float by) {
    Tensor copy = value.clone();
    copy.mutable_data<float>()[7] += by;
    module.set_value("w", copy);
    auto out = module.forward(inputs);
    double sum = 0;
    for (size_t k = 0; k < 2; ++k) {
      auto a = out[k].to_floats(), b = weights[k].to_floats();
      for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
    }
    return sum;
  };
  double numeric = (loss(1e-3f) - loss(-1e-3f)) / 2e-3;
  EXPECT_NEAR(gradients.at("w").to_floats()[7], numeric, 0.05 * std::max(1.0, std::abs(numeric)));
}

/// In channels-last memory batch normalization and a Clip or Relu behind it are one function of our own; otherwise they
/// are libtorch's.
TEST(GraphModule, FusedBatchNormTrainsLikeTheSeparateOps) {
  for (int64_t channels : {1, 5, 24, 130}) {
    for (const char* activation : {"none", "Relu", "Clip"}) {
      SCOPED_TRACE(activation + std::to_string(channels));
      TestGraph g(static_cast<uint64_t>(channels));
      Value* x = g.input("x", {3, 2, 7, 9});
      Value* y = g.batch_norm(g.op("Conv", {x, g.floats("w", {channels, 2, 3, 3})}), "bn");
      if (activation == std::string("Relu")) y = g.op("Relu", {y});
      if (activation == std::string("Clip")) y = g.op("Clip", {y, g.scalar(-0.25f), g.scalar(1)});
      g.graph.add_output("y", y);
      std::vector<Tensor> inputs{random_tensor({3, 2, 7, 9}, g.rng, 0, 3)};
      GraphModule fused(g.graph), separate(g.graph, {.channels_last = false});
      EXPECT_LT(difference(fused.forward(inputs, true)[0], separate.forward(inputs, true)[0]), 1e-5);
      for (const char* name : {"bn.mean", "bn.var"}) EXPECT_LT(difference(fused.value(name), separate.value(name)), 1e-5) << name;
      std::vector<Tensor> weights{random_tensor({3, channels, 5, 7}, g.rng)};
      auto a = fused.gradients(inputs, weights, true), b = separate.gradients(inputs, weights, true);
      for (auto& [name, gradient] : b) EXPECT_LT(difference(a.at(name), gradient), 1e-4) << name;
      EXPECT_LT(difference(fused.forward(inputs)[0], separate.forward(inputs)[0]), 1e-5) << "evaluation mode";
    }
  }
}

TEST(GraphModule, BatchNormMovesItsStatisticsInTrainingOnly) {
  TestGraph g;
  Value* x = g.input("x", {8, 2, 3, 3});
  g.graph.add_output("y", g.batch_norm(x, "bn"));
  GraphModule module(g.graph);
  EXPECT_THAT(module.parameters(), testing::ElementsAre("bn.scale", "bn.bias"));
  EXPECT_THAT(module.buffers(), testing::ElementsAre("bn.mean", "bn.var"));
  Tensor before = module.value("bn.mean");
  std::vector<Tensor> inputs{random_tensor({8, 2, 3, 3}, g.rng, 2, 4)};
  module.forward(inputs);
  EXPECT_TRUE(identical(module.value("bn.mean"), before));
  module.forward(inputs, true);
  std::vector<float> values = inputs[0].to_floats();
  double mean = 0;
  for (size_t n = 0; n < 8; ++n)
    for (size_t i = 0; i < 9; ++i) mean += values[n * 18 + i] / 72.0;
  EXPECT_NEAR(module.value("bn.mean").to_floats()[0], 0.9 * before.to_floats()[0] + 0.1 * mean, 1e-5);
  Graph trained = g.graph.clone();
  module.store(trained);
  EXPECT_TRUE(identical(trained.find_value("bn.mean")->constant(), module.value("bn.mean")));
  EXPECT_TRUE(identical(g.graph.find_value("bn.mean")->constant(), before)) << "the graph it was made from stays as it is";
}

TEST(GraphModule, FreezesByName) {
  TestGraph g;
  Value* x = g.input("x", {4, 3, 5, 5});
  Value* y = g.batch_norm(g.op("Conv", {x, g.floats("stem.w", {4, 3, 3, 3})}), "stem.bn");
  g.graph.add_output("y", g.op("Conv", {y, g.floats("head.w", {2, 4, 1, 1})}));
  GraphModule module(g.graph, {.freeze = {"stem.*"}});
  EXPECT_THAT(module.parameters(), testing::ElementsAre("head.w"));
  EXPECT_TRUE(module.buffers().empty());
  std::vector<Tensor> inputs{random_tensor({4, 3, 5, 5}, g.rng)};
  EXPECT_TRUE(identical(module.forward(inputs, true)[0], module.forward(inputs, false)[0])) << "frozen statistics are used";
  EXPECT_THROW(GraphModule(g.graph, {.freeze = {"steam.*"}}), Error);
}

TEST(GraphModule, DropsInTrainingFromItsOwnSeed) {
  TestGraph g;
  Value* x = g.input("x", {1, 1000});
  g.graph.add_output("y", g.op("Dropout", {x, g.scalar(0.25f)}));
  std::vector<Tensor> inputs{Tensor::of<float>({1, 1000}, std::vector<float>(1000, 1.0f))};
  GraphModule a(g.graph, {.seed = 7}), b(g.graph, {.seed = 7}), c(g.graph, {.seed = 8});
  Tensor first = a.forward(inputs, true)[0];
  EXPECT_TRUE(identical(first, b.forward(inputs, true)[0]));
  EXPECT_FALSE(identical(first, c.forward(inputs, true)[0]));
  EXPECT_FALSE(identical(first, a.forward(inputs, true)[0]));
  int dropped = 0;
  for (float value : first.to_floats()) {
    EXPECT_TRUE(value == 0 || std::abs(value - 1 / 0.75f) < 1e-6f);
    dropped += value == 0;
  }
  EXPECT_NEAR(dropped, 250, 70);
  EXPECT_TRUE(identical(a.forward(inputs)[0], inputs[0]));
}

TEST(GraphModule, ErrorsNameNodeAndOp) {
  TestGraph g;
  Value* x = g.input("x", {2, 3});
  g.graph.add_output("y", g.op("Ceil", {x}));
  try {
    GraphModule module(g.graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("ceil 'Ceil'"), testing::HasSubstr("no op Ceil")));
  }
  TestGraph h;
  h.graph.add_output("y", h.op("Relu", {h.input("x", {2, 3})}));
  GraphModule module(h.graph);
  EXPECT_THROW(module.forward({}), Error);
  EXPECT_THROW(module.forward(std::vector<Tensor>{Tensor::zeros(DType::f32, {2, 4})}), Error);
  EXPECT_THROW(module.forward(std::vector<Tensor>{Tensor::zeros(DType::u8, {2, 3})}), Error);
  EXPECT_THROW(module.value("w"), Error);
}

}  // namespace
}  // namespace hone
