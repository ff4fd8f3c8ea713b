#include "train/graph_module.hpp"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
      {"conv",
       {2, 3, 7, 6},
       [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {4, 3, 3, 3}), g.floats("b", {4})},
                     {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}});
       }},
      {"conv groups, dilation, asymmetric pads",
       {2, 4, 9, 8},
       [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {6, 2, 3, 3})},
                     {{"pads", Ints{0, 1, 2, 3}}, {"dilations", Ints{2, 1}}, {"group", int64_t{2}}});
       }},
      {"conv same upper",
       {1, 2, 7, 8},
       [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {2, 2, 4, 3})},
                     {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}});
       }},
      {"conv same lower",
       {1, 2, 7, 8},
       [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {2, 2, 4, 3})},
                     {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{2, 2}}});
       }},
      {"conv 1-d",
       {2, 3, 9},
       [](TestGraph& g, Value* x) {
         return g.op("Conv", {x, g.floats("w", {4, 3, 3})}, {{"pads", Ints{1, 0}}});
       }},
      {"transposed conv",
       {1, 3, 4, 5},
       [](TestGraph& g, Value* x) {
         return g.op("ConvTranspose", {x, g.floats("w", {3, 2, 3, 3}), g.floats("b", {2})},
                     {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 0}}});
       }},
      {"transposed conv, asymmetric pads, groups",
       {1, 4, 4, 5},
       [](TestGraph& g, Value* x) {
         return g.op("ConvTranspose", {x, g.floats("w", {4, 2, 3, 3})},
                     {{"strides", Ints{2, 1}}, {"pads", Ints{0, 1, 1, 0}}, {"group", int64_t{2}}});
       }},
      {"batch norm", {2, 3, 4, 4}, [](TestGraph& g, Value* x) { return g.batch_norm(x, "bn"); }},
      {"gemm",
       {3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Gemm", {x, g.floats("w", {5, 4}), g.floats("b", {5})},
                     {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}});
       }},
      {"matmul",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Add", {g.op("MatMul", {x, g.floats("w", {4, 5})}), g.floats("b", {5})});
       }},
      {"matmul with transposed weight",
       {3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("MatMul", {x, g.op("Transpose", {g.floats("w", {5, 4})}, {{"perm", Ints{1, 0}}})});
       }},
      {"layer norm",
       {2, 3, 8},
       [](TestGraph& g, Value* x) {
         return g.op("LayerNormalization", {x, g.floats("s", {8}), g.floats("b", {8})}, {{"axis", int64_t{-1}}});
       }},
      {"prelu",
       {2, 3, 4, 4},
       [](TestGraph& g, Value* x) {
         return g.op("PRelu", {x, g.floats("slope", {3, 1, 1})});
       }},
  };
}

std::vector<Case> elementwise() {
  std::vector<Case> cases = {
      {"clip",
       {4, 5},
       [](TestGraph& g, Value* x) {
         return g.op("Clip", {x, g.scalar(-0.3f), g.scalar(0.6f)});
       }},
      {"clip above",
       {4, 5},
       [](TestGraph& g, Value* x) {
         return g.op("Clip", {x, nullptr, g.scalar(0.2f)});
       }},
      {"leaky relu",
       {4, 5},
       [](TestGraph& g, Value* x) {
         return unary(g, x, "LeakyRelu", {{"alpha", 0.2f}});
       }},
      {"elu",
       {4, 5},
       [](TestGraph& g, Value* x) {
         return unary(g, x, "Elu", {{"alpha", 0.7f}});
       }},
      {"hard sigmoid",
       {4, 5},
       [](TestGraph& g, Value* x) {
         return unary(g, x, "HardSigmoid", {{"alpha", 0.9f}, {"beta", 0.4f}});
       }},
      {"swish", {4, 5}, [](TestGraph& g, Value* x) { return unary(g, x, "Swish", {}, "hone"); }},
      {"gelu tanh",
       {4, 5},
       [](TestGraph& g, Value* x) {
         return unary(g, x, "Gelu", {{"approximate", std::string("tanh")}});
       }},
      {"softmax",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return unary(g, x, "Softmax", {{"axis", int64_t{1}}});
       }},
      {"log softmax", {2, 3, 4}, [](TestGraph& g, Value* x) { return unary(g, x, "LogSoftmax"); }},
      {"arithmetic",
       {2, 3},
       [](TestGraph& g, Value* x) {
         Value* a = g.op("Mul", {g.op("Sub", {x, g.floats("c", {3})}), x});
         return g.op("Div", {a, g.floats("d", {2, 1}, 1, 2)});
       }},
      {"pow sqrt log",
       {2, 3},
       [](TestGraph& g, Value* x) {
         Value* square = g.op("Add", {g.op("Pow", {x, g.scalar(2)}), g.scalar(0.5f)});
         return g.op("Add", {g.op("Log", {square}), g.op("Sqrt", {square})});
       }},
      {"min max",
       {2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("Max", {g.op("Min", {x, g.floats("c", {3}), g.floats("d", {2, 1})}), g.op("Neg", {x})});
       }},
      {"where",
       {2, 3},
       [](TestGraph& g, Value* x) {
         Value* mask = g.graph.add_constant("mask", Tensor::of<bool>({3}, {true, false, true}));
         return g.op("Where", {mask, x, g.floats("c", {2, 1})});
       }},
      {"dropout",
       {2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("Dropout", {x, g.scalar(0.5f)});
       }},
      {"cast",
       {2, 3},
       [](TestGraph& g, Value* x) {
         Value* whole = g.op("Cast", {g.op("Mul", {x, g.scalar(5)})}, {{"to", int64_t{6}}});
         return g.op("Cast", {whole}, {{"to", int64_t{1}}});
       }},
  };
  for (const char* type :
       {"Relu", "Sigmoid", "HardSwish", "Gelu", "Tanh", "Softplus", "Mish", "Exp", "Neg", "Abs", "Erf", "Identity"})
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
      {"max pool ceil",
       {1, 2, 8, 6},
       pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"ceil_mode", int64_t{1}}})},
      {"max pool asymmetric",
       {1, 2, 7, 7},
       pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{0, 1, 2, 0}}})},
      {"max pool asymmetric ceil",
       {1, 2, 7, 8},
       pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{0, 0, 1, 1}}, {"ceil_mode", int64_t{1}}})},
      {"max pool same",
       {1, 2, 7, 8},
       pool("MaxPool", {{"kernel_shape", k3}, {"strides", s2}, {"auto_pad", std::string("SAME_UPPER")}})},
      {"average pool",
       {1, 2, 7, 8},
       pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{1, 1, 1, 1}}})},
      {"average pool with pad",
       {1, 2, 7, 8},
       pool("AveragePool",
            {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{1, 1, 1, 1}}, {"count_include_pad", int64_t{1}}})},
      {"average pool asymmetric",
       {1, 2, 7, 8},
       pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"pads", Ints{0, 1, 2, 0}}})},
      {"average pool ceil",
       {1, 2, 8, 6},
       pool("AveragePool", {{"kernel_shape", k3}, {"strides", s2}, {"ceil_mode", int64_t{1}}})},
      {"average pool ceil with pad",
       {1, 2, 8, 6},
       pool("AveragePool", {{"kernel_shape", k3},
                            {"strides", s2},
                            {"pads", Ints{1, 1, 1, 1}},
                            {"ceil_mode", int64_t{1}},
                            {"count_include_pad", int64_t{1}}})},
      {"global average pool", {2, 3, 4, 5}, pool("GlobalAveragePool", {})},
      {"global max pool", {2, 3, 4, 5}, pool("GlobalMaxPool", {})},
      {"reduce mean",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("ReduceMean", {x, g.ints({-1, 0})}, {{"keepdims", int64_t{0}}});
       }},
      {"reduce sum",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("ReduceSum", {x, g.ints({1})});
       }},
      {"reduce max", {2, 3, 4}, [](TestGraph& g, Value* x) { return g.op("ReduceMax", {x}); }},
  };
}

std::vector<Case> shapes() {
  return {
      {"flatten",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Flatten", {x}, {{"axis", int64_t{2}}});
       }},
      {"reshape",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Reshape", {x, g.ints({0, -1})});
       }},
      {"transpose",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Transpose", {x}, {{"perm", Ints{2, 0, 1}}});
       }},
      {"squeeze",
       {2, 1, 4, 1},
       [](TestGraph& g, Value* x) {
         return g.op("Squeeze", {x, g.ints({-1, 1})});
       }},
      {"unsqueeze",
       {2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("Unsqueeze", {x, g.ints({0, -1})});
       }},
      {"expand",
       {3, 1},
       [](TestGraph& g, Value* x) {
         return g.op("Expand", {x, g.ints({2, 1, 4})});
       }},
      {"concat",
       {2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("Concat", {x, g.floats("c", {2, 2}), x}, {{"axis", int64_t{-1}}});
       }},
      {"split",
       {2, 7},
       [](TestGraph& g, Value* x) {
         Node* split = g.node("Split", {x, g.ints({3, 4})}, {{"axis", int64_t{1}}}, 2);
         return g.op("Concat", {split->output(1), split->output(0)}, {{"axis", int64_t{1}}});
       }},
      {"split into equal parts",
       {7, 2},
       [](TestGraph& g, Value* x) {
         Node* split = g.node("Split", {x}, {{"num_outputs", int64_t{3}}}, 3);
         return g.op("Concat", {split->output(2), split->output(0)}, {{"axis", int64_t{0}}});
       }},
      {"slice",
       {5, 6},
       [](TestGraph& g, Value* x) {
         return g.op("Slice", {x, g.ints({-4, 5}), g.ints({99, -99}), g.ints({0, 1}), g.ints({2, -2})});
       }},
      {"gather",
       {4, 3},
       [](TestGraph& g, Value* x) {
         return g.op("Gather", {x, g.ints({2, -1, 0, 2})}, {{"axis", int64_t{0}}});
       }},
      {"pad",
       {2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("Pad", {x, g.ints({1, -1, 0, 2}), g.scalar(0.5f)});
       }},
      {"pad reflect",
       {3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Pad", {x, g.ints({2, 1, 1, 3})}, {{"mode", std::string("reflect")}});
       }},
      {"pad edge",
       {3, 4},
       [](TestGraph& g, Value* x) {
         return g.op("Pad", {x, g.ints({2, 0, 1, 3})}, {{"mode", std::string("edge")}});
       }},
      {"depth to space",
       {1, 8, 2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("DepthToSpace", {x}, {{"blocksize", int64_t{2}}});
       }},
      {"depth to space crd",
       {1, 8, 2, 3},
       [](TestGraph& g, Value* x) {
         return g.op("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
       }},
      {"shape arithmetic",
       {2, 3, 4},
       [](TestGraph& g, Value* x) {
         Value* size = g.op("Slice", {g.op("Shape", {x}), g.ints({0}), g.ints({1})});
         return g.op("Reshape", {x, g.op("Concat", {size, g.ints({-1})}, {{"axis", int64_t{0}}})});
       }},
      {"constant",
       {2, 3},
       [](TestGraph& g, Value* x) {
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
                                         {{"mode", std::string(mode)},
                                          {"coordinate_transformation_mode", std::string(transform)},
                                          {"nearest_mode", std::string(rounding)}});
                           }});
        }
  for (bool shrink : {false, true})
    for (const char* mode : {"linear", "cubic"})
      cases.push_back({"antialias", {1, 2, 8, 9}, [=](TestGraph& g, Value* x) {
                         return g.op("Resize", {x, nullptr, nullptr, g.ints({1, 2, shrink ? 3 : 11, 4})},
                                     {{"mode", std::string(mode)}, {"antialias", int64_t{1}}});
                       }});
  cases.push_back(
      {"sizes", {1, 2, 5, 6}, [](TestGraph& g, Value* x) {
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
      EXPECT_LT(difference(got[0], expected[0]), 1e-4)
          << to_string(got[0].dims()) << " and " << to_string(expected[0].dims());
    }
  }
}

TEST(TorchOps, ConvolutionsAndNormsAreThoseOfTheReference) { check(convolutions()); }
TEST(TorchOps, ElementwiseOpsAreThoseOfTheReference) { check(elementwise()); }
TEST(TorchOps, PoolsAndReductionsAreThoseOfTheReference) { check(pools()); }
TEST(TorchOps, ShapeOpsAreThoseOfTheReference) { check(shapes()); }
TEST(TorchOps, ResizeIsThatOfTheReference) { check(resizes()); }

/// Compares gradients with central differences, relative to the largest gradient of the parameter.
void check_gradients(const std::vector<Case>& cases, bool training) {
  for (const Case& item : cases) {
    SCOPED_TRACE(item.name);
    TestGraph g(5);
    // A learned product in front of each case makes gradients flow through it, even if it has no weights itself.
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

TEST(TorchOps, GradientsAreThoseOfFiniteDifferences) {
  check_gradients(convolutions(), false);
  check_gradients({convolutions()[7]}, true);  // batch normalization by batch statistics
  // Functions with kinks or constant pieces are left out: differences do not work there.
  std::vector<Case> smooth;
  for (const Case& item : elementwise())
    if (testing::Matches(testing::AnyOf(testing::StrEq("Sigmoid"), testing::StrEq("Gelu"), testing::StrEq("Tanh"),
                                        testing::StrEq("Mish"), testing::StrEq("swish"), testing::StrEq("softmax"),
                                        testing::StrEq("arithmetic"), testing::StrEq("pow sqrt log"),
                                        testing::StrEq("Erf"), testing::StrEq("log softmax")))(item.name))
      smooth.push_back(item);
  EXPECT_EQ(smooth.size(), 10u);
  check_gradients(smooth, false);
  check_gradients(shapes(), false);
}

}  // namespace
}  // namespace hone
