#include "quantize/accuracy_control.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "models.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;
using testing::Contains;
using testing::HasSubstr;

// "bad" has an input with a rare value that is a thousand times larger than what matters.
Net fragile_net() {
  Net net(51);
  Value* x = net.relu(net.conv(net.input("x", {1, 3, 8, 8}), 8, 3, "c1"), "r1");
  x = net.relu(net.conv(x, 8, 3, "c2"), "r2");
  Tensor blow = net.normal({8}, 0.1F);
  blow.mutable_data<float>()[0] = 3000;
  Value* big = net.apply("Add", {x, net.graph.add_constant("blow", blow.reshaped({1, 8, 1, 1}))}, "blown");
  Value* y = net.conv(big, 8, 1, "bad");
  Tensor weights = y->producer()->input(1)->constant().clone();
  for (size_t m = 0; m < 8; ++m) weights.mutable_data<float>()[m * 8] = 0;
  net.graph.set_constant(y->producer()->input(1), weights);
  net.output(net.head(net.relu(y, "r3"), 6));
  return net;
}

struct Bench {
  Net net = fragile_net();
  std::vector<std::vector<Tensor>> data = samples(net.graph, 12);
  std::vector<std::vector<Tensor>> test = samples(net.graph, 12, 77);
  int calls = 0;

  // Share of the signal that is not noise: a metric as good as any.
  Validate validate() {
    return [this](const Graph& graph) {
      ++calls;
      return 1 - std::pow(10.0, -test::sqnr(net.graph, graph, test) / 10);
    };
  }
  Graph run(const AccuracyOptions& control, AccuracyReport& report) {
    QuantizeOptions options{.range = RangeMethod::min_max};
    return quantize_with_accuracy_control(net.graph, source_of(data), reference_runner, validate(), options, control,
                                          &report);
  }
};

TEST(AccuracyControl, RevertsWhatHurtsAndNoMore) {
  Bench bench;
  AccuracyReport report;
  std::vector<std::string> steps;
  Graph graph =
      bench.run({.max_drop = 0.01, .on_step = [&](const std::string& line) { steps.push_back(line); }}, report);
  EXPECT_LT(report.int8, report.fp32 - 0.01);
  EXPECT_TRUE(report.met);
  EXPECT_GE(report.accuracy, report.fp32 - 0.01);
  EXPECT_NEAR(report.accuracy, bench.validate()(graph), 1e-9) << "the graph is the one that was measured";
  EXPECT_THAT(report.reverted, Contains("bad"));
  EXPECT_LE(report.reverted.size(), 2u);
  EXPECT_GT(report.quantize.int8_share(), 0.5);
  EXPECT_THAT(steps, Contains(HasSubstr("reverted 1")));
  for (const NodeReport& node : report.quantize.nodes)
    if (node.name == "bad") EXPECT_EQ(node.reason, "turned back to FP32 to keep accuracy");
}

// The metric wants one layer in fp32 that does not come first: those before it are reverted needlessly.
TEST(AccuracyControl, QuantizesAgainWhatWasRevertedNeedlessly) {
  Bench bench;
  std::vector<std::string> steps;
  auto validate = [](const Graph& graph) { return graph.find_node("c1")->input(1)->is_constant() ? 1.0 : 0.5; };
  AccuracyReport report;
  Graph graph = quantize_with_accuracy_control(
      bench.net.graph, source_of(bench.data), reference_runner, validate, {.range = RangeMethod::min_max},
      {.max_drop = 0, .on_step = [&](const std::string& line) { steps.push_back(line); }}, &report);
  ASSERT_NE(report.ranking.front(), "c1") << "the layer that hurts the outputs most is another one";
  EXPECT_TRUE(report.met);
  EXPECT_THAT(report.reverted, testing::ElementsAre("c1"));
  EXPECT_THAT(report.restored, Contains(report.ranking.front()));
  EXPECT_THAT(steps, Contains(HasSubstr("quantized '" + report.ranking.front() + "' again")));
  EXPECT_TRUE(graph.find_node("c1")->input(1)->is_constant());
}

TEST(AccuracyControl, NothingToDoWhenTheDropIsMet) {
  Bench bench;
  AccuracyReport report;
  bench.run({.max_drop = 5}, report);
  EXPECT_TRUE(report.met);
  EXPECT_TRUE(report.reverted.empty());
  EXPECT_EQ(report.validations, 2);
}

TEST(AccuracyControl, ADropThatTheSamplesCannotResolveIsNone) {
  Bench bench;
  AccuracyReport report;
  bench.run({.max_drop = 0, .sampling_error = [] { return 5.0; }}, report);
  EXPECT_TRUE(report.met);
  EXPECT_TRUE(report.reverted.empty());
  EXPECT_EQ(report.sampling_error, 5);
}

TEST(AccuracyControl, RelativeDropAndRankingByMetric) {
  Bench bench;
  AccuracyReport report;
  bench.run({.max_drop = 0.01, .drop_type = DropType::relative, .rank_by_metric = true}, report);
  EXPECT_TRUE(report.met);
  EXPECT_THAT(report.reverted, Contains("bad"));
}

// A metric of a tenth of the usual size: the same drop is small in points and large beside the metric.
TEST(AccuracyControl, ARelativeDropIsAShareOfTheMetric) {
  Bench bench;
  Validate small = [&](const Graph& graph) { return 0.1 * bench.validate()(graph); };
  auto run = [&](DropType type) {
    AccuracyReport report;
    quantize_with_accuracy_control(bench.net.graph, source_of(bench.data), reference_runner, small,
                                   {.range = RangeMethod::min_max}, {.max_drop = 0.2, .drop_type = type}, &report);
    return report;
  };
  AccuracyReport absolute = run(DropType::absolute), relative = run(DropType::relative);
  ASSERT_GT(relative.fp32 - relative.int8, 0.2 * relative.fp32) << "the whole model in int8 loses more than a fifth";
  EXPECT_TRUE(absolute.reverted.empty());
  EXPECT_THAT(relative.reverted, Contains("bad"));
  EXPECT_GE(relative.accuracy, 0.8 * relative.fp32);
  EXPECT_TRUE(relative.met);
}

TEST(AccuracyControl, ADropThatCannotBeMetGivesTheBestModel) {
  Bench bench;
  AccuracyReport report;
  bench.run({.max_drop = 0, .max_iterations = 1}, report);
  EXPECT_FALSE(report.met);
  EXPECT_LE(report.reverted.size(), 1u);
  EXPECT_GE(report.accuracy, report.int8);
}

TEST(AccuracyControl, DropZeroRevertsEverythingIfItMust) {
  Bench bench;
  AccuracyReport report;
  Graph graph = bench.run({.max_drop = 0}, report);
  EXPECT_TRUE(report.met);
  EXPECT_GE(bench.validate()(graph), report.fp32 - 1e-9);
}

TEST(AccuracyControl, GoesOnAfterCtrlC) {
  TemporaryFolder folder;
  auto file = folder / "search";
  AccuracyReport whole, resumed;
  Bench reference;
  reference.run({.max_drop = 0.01}, whole);
  int all = reference.calls;

  Bench bench;
  AccuracyOptions control{.max_drop = 0.01, .state_file = file};
  control.on_step = [](const std::string& line) {
    if (line.starts_with("fp32")) request_interrupt();
  };
  AccuracyReport ignored;
  try {
    bench.run(control, ignored);
    ADD_FAILURE() << "was not interrupted";
  } catch (const Interrupted& interrupted) {
    EXPECT_THAT(interrupted.remedy(), HasSubstr(file.string()));
    EXPECT_TRUE(std::filesystem::exists(file));
  }
  clear_interrupt();
  control.on_step = nullptr;
  bench.calls = 0;
  bench.run(control, resumed);
  EXPECT_EQ(resumed.reverted, whole.reverted);
  EXPECT_EQ(resumed.ranking, whole.ranking);
  EXPECT_LE(bench.calls, all - 2) << "fp32 and int8 were known";
  EXPECT_FALSE(std::filesystem::exists(file)) << "a finished search leaves nothing";

  std::ofstream(file) << "hone accuracy search 1 of another model\n";
  try {
    bench.run(control, ignored);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("another model"));
  }
}

}  // namespace
}  // namespace hone
