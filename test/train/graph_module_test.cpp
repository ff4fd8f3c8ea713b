#include "train/graph_module.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "train/templates.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

using Ints = std::vector<int64_t>;

TEST(GraphModule, TemplatesAreThoseOfTheReference) {
  for (int side : {32, 64}) {
    Graph graph = build_template("mobilenet_v2",
                                 {.classes = 3, .width = 0.25, .height = side, .width_px = side, .zero_gamma = false});
    Rng rng(3);
    std::vector<Tensor> inputs{random_tensor({2, 3, side, side}, rng)};
    GraphModule module(graph);
    for (int i = 0; i < 3; ++i) module.forward(inputs, true);  // moves the statistics
    module.store(graph);
    EXPECT_LT(difference(module.forward(inputs)[0], evaluate(graph, inputs)[0]), 1e-4);
  }
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
      for (const char* name : {"bn.mean", "bn.var"})
        EXPECT_LT(difference(fused.value(name), separate.value(name)), 1e-5) << name;
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
  EXPECT_TRUE(identical(g.graph.find_value("bn.mean")->constant(), before))
      << "the graph it was made from stays as it is";
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
  EXPECT_TRUE(identical(module.forward(inputs, true)[0], module.forward(inputs, false)[0]))
      << "frozen statistics are used";
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
