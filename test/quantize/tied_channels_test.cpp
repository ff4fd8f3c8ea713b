#include "quantize/methods/tied_channels.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models.hpp"
#include "optimize/pass_manager.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;
using test::sqnr;
using testing::ElementsAre;

// Makes one channel of a layer's outputs (or inputs) `factor` times as large.
void scale_channel(Net& net, const std::string& layer, size_t channel, float factor, bool inputs) {
  for (const char* part : {"/w", "/b"}) {
    if (inputs && std::string(part) == "/b") continue;
    Value* value = net.graph.find_value(layer + part);
    Tensor tensor = value->constant().clone();
    auto data = tensor.mutable_data<float>();
    const size_t outputs = static_cast<size_t>(tensor.dim(0)), block = data.size() / outputs;
    for (size_t i = 0; i < data.size(); ++i)
      if ((inputs ? i % block : i / block) == channel) data[i] *= factor;
    net.graph.set_constant(value, tensor);
  }
}

// Two residual sums of linear layers, as between inverted residuals, one channel of which is 100 times the others.
Net outlier_net(bool shown = false) {
  Net net(17);
  Value* stem = net.conv(net.relu(net.conv(net.input("x", {1, 4, 10, 10}), 16, 3, "stem"), "r0"), 12, 1, "a");
  Value* sum = stem;
  for (const char* name : {"b", "c"}) {
    Value* inner = net.relu(net.conv(sum, 24, 1, std::string(name) + "/in"), std::string(name) + "/relu");
    sum = net.apply("Add", {net.conv(inner, 12, 1, std::string(name) + "/out"), sum}, std::string(name) + "/sum");
  }
  net.output(net.conv(net.relu(net.conv(sum, 16, 1, "head"), "r1"), 4, 1, "last"));
  for (const char* maker : {"a", "b/out", "c/out"}) scale_channel(net, maker, 3, 100, false);
  for (const char* reader : {"b/in", "c/in", "head"}) scale_channel(net, reader, 3, 0.01F, true);
  if (shown) net.output(sum);
  return net;
}

std::vector<std::string> names(const std::vector<Node*>& nodes) {
  std::vector<std::string> list;
  for (const Node* node : nodes) list.push_back(node->name);
  return list;
}

TEST(TiedChannels, AreThoseOfResidualSums) {
  const Net net = outlier_net();
  const std::vector<TiedChannels> groups = tied_channels(net.graph);
  ASSERT_EQ(groups.size(), 5u);  // r0, the sums, the two inner maps, r1
  EXPECT_THAT(names(groups[1].makers), ElementsAre("a", "b/out", "c/out"));
  EXPECT_THAT(names(groups[1].readers), ElementsAre("b/in", "c/in", "head"));
  EXPECT_EQ(groups[1].values.size(), 5u);
  EXPECT_EQ(groups[1].channels, 12u);
  // What is an output of the model keeps its values.
  EXPECT_EQ(tied_channels(outlier_net(true).graph).size(), 4u);
}

TEST(TiedChannels, ProductsAndConcatenationsAreLeftAlone) {
  Net net(3);
  Value* a = net.relu(net.conv(net.input("x", {1, 4, 6, 6}), 8, 1, "a"), "ra");
  Value* gated = net.apply("Mul", {a, net.apply("Sigmoid", {a}, "gate")}, "gated");
  net.output(net.conv(gated, 4, 1, "last"));
  EXPECT_TRUE(tied_channels(net.graph).empty());
}

TEST(TiedChannels, AlignedComputeTheSame) {
  Net net = outlier_net();
  Graph graph = net.graph.clone();
  auto groups = tied_channels(graph);
  std::map<std::string, Observed> wanted;
  std::set<std::string> quantized;
  for (const Value* value : groups[1].values) {
    wanted[value->name] = {.magnitude_axis = 1, .square_axis = 1};
    quantized.insert(value->name);
  }
  auto data = samples(graph, 4);
  SampleStream stream(graph, source_of(data), 4);
  const Observations seen = observe(graph, in_graph_order(graph, wanted), reference_runner, stream, no_progress());
  ASSERT_TRUE(align_tied_channels(graph, groups[1], seen, quantized));
  EXPECT_GT(sqnr(net.graph, graph, data), 100);
  EXPECT_FALSE(align_tied_channels(graph, groups[1], seen, {})) << "nothing is quantized";
}

TEST(TiedChannels, AnOutlierChannelIsMended) {
  Net net = outlier_net();
  auto data = samples(net.graph, 24), fresh = samples(net.graph, 16, 99);
  auto quality = [&](const QuantizeOptions& options, QuantizeReport& report) {
    return sqnr(net.graph, quantize(net.graph, source_of(data), reference_runner, options, &report), fresh);
  };
  QuantizeReport with, without;
  EXPECT_GT(quality({}, with), quality({.align_channels = false}, without) + 10);
  EXPECT_GE(with.tied_channels_aligned, 1);
  EXPECT_EQ(without.tied_channels_aligned, 0);
}

// A channel of 5 beside others of 0.1 behind Clip(0, 6), as between a depthwise and a linear layer.
TEST(TiedChannels, PassAClipThatNothingLargeReaches) {
  Net net(18);
  Value* x = net.relu6(net.conv(net.input("x", {1, 4, 10, 10}), 16, 3, "a"), "clip");
  net.output(net.conv(net.relu(net.conv(x, 16, 1, "b"), "r"), 4, 1, "last"));
  for (size_t c = 0; c < 16; ++c) {
    scale_channel(net, "a", c, c == 3 ? 2.0F : 0.05F, false);
    scale_channel(net, "b", c, c == 3 ? 0.5F : 20.0F, true);
  }
  auto data = samples(net.graph, 24), fresh = samples(net.graph, 16, 99);
  auto quality = [&](const QuantizeOptions& options, QuantizeReport& report) {
    return sqnr(net.graph, quantize(net.graph, source_of(data), reference_runner, options, &report), fresh);
  };
  QuantizeReport with, without;
  const double aligned = quality({.sensitive_share = 0}, with);
  EXPECT_GT(aligned, quality({.sensitive_share = 0, .align_channels = false}, without) + 6);
  EXPECT_GE(with.tied_channels_aligned, 1);
  // Channel 3 reaches 6 and is cut there as before: results of the aligned form are those of the given one.
  EXPECT_GT(aligned, 25);
}

}  // namespace
}  // namespace hone
