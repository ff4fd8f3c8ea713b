#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "models.hpp"
#include "quantize/trials.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;
using test::sqnr;
using testing::HasSubstr;

// One channel between the small layers "a" and "b" is 300 times the others, so that "b" sees these in few steps.
Net small_sensitive_net() {
  Net net(81);
  Value* x = net.relu(net.conv(net.input("x", {1, 4, 8, 8}), 8, 1, "a"), "ra");
  x = net.relu(net.conv(x, 8, 1, "b"), "rb");
  x = net.relu(net.conv(x, 32, 3, "c"), "rc");
  net.output(net.head(net.relu(net.conv(x, 32, 3, "d"), "rd"), 6));
  for (const char* name : {"a/w", "a/b", "b/w"}) {
    Value* value = net.graph.find_value(name);
    Tensor tensor = value->constant().clone();
    auto data = tensor.mutable_data<float>();
    const bool reads = std::string(name) == "b/w";
    for (size_t i = 0; i < data.size(); ++i)
      if ((reads ? i % 8 : i / (data.size() / 8)) == 3) data[i] *= reads ? 1 / 300.0F : 300.0F;
    net.graph.set_constant(value, tensor);
  }
  return net;
}

const NodeReport& report_of(const QuantizeReport& report, const std::string& node) {
  for (const NodeReport& entry : report.nodes)
    if (entry.name == node) return entry;
  throw Error("test", "no node '" + node + "'");
}

struct Outcome {
  double db;
  QuantizeReport report;
};

// Without aligned channels, which would mend it.
Outcome outcome(double share, int count = 24, bool align = false) {
  const Net net = small_sensitive_net();
  const auto data = samples(net.graph, count), fresh = samples(net.graph, 16, 99);
  Outcome result;
  QuantizeOptions options{.sensitive_share = share, .align_channels = align};
  Graph graph = quantize(net.graph, source_of(data), reference_runner, options, &result.report);
  result.db = sqnr(net.graph, graph, fresh);
  return result;
}

TEST(Sensitive, ASmallLayerThatMakesMostOfTheErrorStaysExact) {
  const Outcome without = outcome(0), with = outcome(0.08);
  EXPECT_GT(with.db, without.db + 2);
  EXPECT_TRUE(report_of(without.report, "b").quantized);
  EXPECT_FALSE(report_of(with.report, "b").quantized);
  EXPECT_THAT(report_of(with.report, "b").reason, HasSubstr("sensitive"));
  EXPECT_TRUE(report_of(with.report, "d").quantized);
  EXPECT_GE(with.report.int8_share(), 0.92);
}

TEST(Sensitive, NothingStaysExactWhereOutputsAreNear) {
  const Outcome aligned = outcome(0.08, 24, true);
  EXPECT_GT(aligned.db, 25);
  EXPECT_EQ(aligned.report.int8_share(), 1);
}

TEST(Sensitive, IsNotLookedForWithoutHeldOutSamplesOrARoomForIt) {
  EXPECT_EQ(outcome(0.08, 8).report.int8_share(), 1) << "too few samples to hold some out";
  EXPECT_EQ(outcome(1e-4).report.int8_share(), 1) << "no layer is so small";
  EXPECT_THROW(outcome(-0.1), Error);
  EXPECT_THROW(outcome(1.5), Error);
}

// Probabilities near 0 and 1 say little; the scores before the Softmax say all.
TEST(Trials, ProbabilitiesAreComparedAsScores) {
  auto net = [](bool softmax, float change) {
    Net made(82);
    Value* y = made.gemm(made.input("x", {1, 6}), 5, "fc");
    Value* bias = made.graph.find_value("fc/b");
    Tensor tensor = bias->constant().clone();
    tensor.mutable_data<float>()[0] += change;
    made.graph.set_constant(bias, tensor);
    made.output(softmax ? made.apply("Softmax", {y}, "p") : y);
    return made;
  };
  const auto data = samples(net(true, 0).graph, 16);
  for (bool softmax : {true, false}) {
    const Graph exact = net(softmax, 0).graph.clone();
    SampleStream stream(exact, source_of(data), 16);
    const MakeRunner runner = reference_runner;
    const Trials trials(exact, stream, runner);
    const auto small = trials.errors_of(net(softmax, 0.01F).graph), large = trials.errors_of(net(softmax, 0.1F).graph);
    ASSERT_EQ(small.size(), stream.held_out().size());
    EXPECT_NEAR(Trials::sqnr_db(small) - Trials::sqnr_db(large), 20, 0.3) << (softmax ? "softmax" : "scores");
    EXPECT_TRUE(Trials::clearly_better(small, large));
    EXPECT_TRUE(Trials::clearly_better(small, large, 1.1));
    EXPECT_FALSE(Trials::clearly_better(small, large, 1e6));
    EXPECT_FALSE(Trials::clearly_better(large, small));
    EXPECT_FALSE(Trials::clearly_better(small, small));
  }
}

}  // namespace
}  // namespace hone
