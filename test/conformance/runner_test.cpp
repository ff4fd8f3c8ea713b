#include <gmock/gmock.h>

#include "app/run_hone.hpp"
#include "app/support/conformance.hpp"
#include "base/error.hpp"
#include "import/onnx_builder.hpp"

namespace hone::app {
namespace {

using ::testing::HasSubstr;
using app_test::hone;

Tensor floats(Dims dims, std::vector<float> values) { return Tensor::of<float>(std::move(dims), values); }

struct Runner : ::testing::Test {
  TemporaryFolder folder;

  /// Writes a case of y = Relu(x) with the given tensors.
  ConformanceCase relu(const std::string& name, const Tensor& x, const Tensor& y) {
    Graph graph;
    auto op = make_op("", "Relu");
    graph.add_output("y", graph.add(std::move(op), {graph.add_input("x", x.dtype(), Shape(x.dims()))})->output());
    std::string place = "suite/node/" + name;
    std::filesystem::create_directories(folder / (place + "/test_data_set_0"));
    export_model(graph, folder / (place + "/model.onnx"));
    write_file(folder / (place + "/test_data_set_0/input_0.pb"), testing_tools::tensor_message("x", x));
    write_file(folder / (place + "/test_data_set_0/output_0.pb"), testing_tools::tensor_message("y", y));
    for (ConformanceCase& test : find_conformance_cases(folder / place)) return test;
    throw std::logic_error("not found");
  }
};

const IgnoreList nothing("test", "");

TEST_F(Runner, PassesAndFailsByValueTypeAndShape) {
  Tensor x = floats({2}, {-1, 2});
  ConformanceResult right = run_conformance_case(relu("a", x, floats({2}, {0, 2})), {}, nothing);
  EXPECT_EQ(right.verdict, Verdict::passed) << right.reason;
  ConformanceResult value = run_conformance_case(relu("b", x, floats({2}, {0, 2.1f})), {}, nothing);
  EXPECT_EQ(value.verdict, Verdict::failed);
  EXPECT_THAT(value.reason, HasSubstr("output 'y' differs in 1 of 2 elements, first in element 1: 2, expected 2.0"));
  ConformanceResult shape = run_conformance_case(relu("c", x, floats({1, 2}, {0, 2})), {}, nothing);
  EXPECT_THAT(shape.reason, HasSubstr("is f32[2], expected f32[1, 2]"));
  ConformanceResult type = run_conformance_case(relu("d", x, Tensor::of<double>({2}, {0, 2})), {}, nothing);
  EXPECT_THAT(type.reason, HasSubstr("is f32[2], expected f64[2]"));
}

TEST_F(Runner, SizesOfTheDataCount) {
  ConformanceCase test = relu("a", floats({3}, {-1, 2, 3}), floats({3}, {0, 2, 3}));
  write_file(folder / "suite/node/a/test_data_set_0/input_0.pb",
             testing_tools::tensor_message("x", floats({2}, {-1, 2})));
  write_file(folder / "suite/node/a/test_data_set_0/output_0.pb",
             testing_tools::tensor_message("y", floats({2}, {0, 2})));
  EXPECT_EQ(run_conformance_case(test, {}, nothing).reason, "");
}

TEST_F(Runner, ToleranceOfDataJson) {
  ConformanceCase test = relu("a", floats({1}, {1}), floats({1}, {1.1f}));
  EXPECT_EQ(run_conformance_case(test, {}, nothing).verdict, Verdict::failed);
  write_file(folder / "suite/node/a/data.json", R"({"rtol": 0.2, "atol": 1e-6, "model_name": "a"})");
  test = find_conformance_cases(folder / "suite")[0];
  EXPECT_EQ(test.rtol, 0.2);
  EXPECT_EQ(test.group, "node");
  EXPECT_EQ(run_conformance_case(test, {}, nothing).verdict, Verdict::passed);
  write_file(folder / "suite/node/a/data.json", R"({"rtol": "big"})");
  EXPECT_THROW(find_conformance_cases(folder / "suite"), Error);
}

TEST_F(Runner, ModelsWithoutInputsGetNumberedOnes) {
  Graph graph;
  graph.add_output(
      "y", graph.add(make_op("", "Relu"), {graph.add_input("x", DType::f32, {Dim::named("N"), Dim(4)})})->output());
  std::filesystem::create_directories(folder / "light");
  export_model(graph, folder / "light/tiny.onnx");
  write_file(folder / "light/tiny_output_0.pb",
             testing_tools::tensor_message("y", floats({1, 4}, {0, 0.25f, 0.5f, 0.75f})));
  std::vector<ConformanceCase> cases = find_conformance_cases(folder / "light");
  ASSERT_EQ(cases.size(), 1u);
  EXPECT_EQ(cases[0].name, "tiny");
  EXPECT_EQ(cases[0].group, "light");
  EXPECT_EQ(run_conformance_case(cases[0], {}, nothing).reason, "");
}

TEST_F(Runner, IgnoreListNamesFailuresAndStaleLines) {
  Tensor x = floats({1}, {1});
  ConformanceCase wrong = relu("test_wrong", x, floats({1}, {3})), right = relu("test_right", x, x);
  IgnoreList by_name("test", "# why\n\ntest_*   a reason with words\n");
  ConformanceResult ignored = run_conformance_case(wrong, {}, by_name);
  EXPECT_EQ(ignored.verdict, Verdict::ignored);
  EXPECT_EQ(ignored.reason, "a reason with words");
  ConformanceResult stale = run_conformance_case(right, {}, by_name);
  EXPECT_EQ(stale.verdict, Verdict::passed);
  EXPECT_TRUE(stale.stale);
  IgnoreList by_op("test", "op=Re?u  because\n"), by_type("test", "type=string  strings\n");
  EXPECT_EQ(run_conformance_case(wrong, {}, by_op).verdict, Verdict::ignored);
  EXPECT_FALSE(run_conformance_case(right, {}, by_op).stale);
  EXPECT_EQ(run_conformance_case(wrong, {}, by_type).verdict, Verdict::failed);
}

TEST(IgnoreListText, ALineNeedsAReason) {
  try {
    IgnoreList("'list.txt'", "test_a  fine\ntest_b\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "'list.txt': line 2 is 'test_b', expected 'PATTERN  reason'");
  }
  EXPECT_FALSE(IgnoreList::standard().by_feature({"op=Bernoulli"}).empty());
}

TEST(Difference, NanInfinityAndIntegers) {
  float nan = NAN, inf = INFINITY;
  EXPECT_EQ(difference(floats({3}, {nan, inf, -inf}), floats({3}, {nan, inf, -inf}), 1e-3, 0), "");
  EXPECT_NE(difference(floats({1}, {nan}), floats({1}, {0}), 1e-3, 0), "");
  EXPECT_NE(difference(floats({1}, {0}), floats({1}, {nan}), 1e-3, 0), "");
  EXPECT_NE(difference(floats({1}, {1e30f}), floats({1}, {inf}), 1e-3, 0), "");
  EXPECT_NE(difference(floats({1}, {inf}), floats({1}, {-inf}), 1e-3, 0), "");
  Tensor large = Tensor::of<int64_t>({1}, {INT64_MAX});
  EXPECT_EQ(difference(large, large, 0, 0), "");
  EXPECT_EQ(difference(Tensor::of<bool>({1}, {true}), Tensor::of<bool>({1}, {false}), 1e-3, 1e-7),
            "differs in 1 of 1 elements, first in element 0: 1, expected 0");
}

TEST_F(Runner, Command) {
  Tensor x = floats({1}, {1});
  relu("test_right", x, x);
  std::string suite = (folder / "suite").string();
  app_test::Result good = hone({"conformance", suite, "--device", "reference"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("node        1       0        0"));
  relu("test_wrong", x, floats({1}, {3}));
  app_test::Result bad = hone({"conformance", suite, "--json"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_EQ(bad.json()["failed"], 1);
  EXPECT_EQ(bad.json()["groups"]["node"]["passed"], 1);
  EXPECT_EQ(bad.json()["cases"][1]["name"], "test_wrong");
  EXPECT_EQ(bad.json()["cases"][1]["result"], "failed");
  EXPECT_EQ(hone({"conformance", suite, "--filter", "*right"}).code, 0);
  folder.write("list.txt", "test_wrong  known\n");
  app_test::Result listed = hone({"conformance", suite, "--ignore", (folder / "list.txt").string()});
  EXPECT_EQ(listed.code, 0);
  EXPECT_THAT(listed.out, HasSubstr("ignored  node/test_wrong: known"));
}

TEST_F(Runner, CommandErrors) {
  EXPECT_THAT(hone({"conformance", (folder / "none").string()}).err, HasSubstr("is not a folder"));
  std::filesystem::create_directories(folder / "empty");
  app_test::Result empty = hone({"conformance", (folder / "empty").string()});
  EXPECT_EQ(empty.code, 1);
  EXPECT_THAT(empty.err, HasSubstr("holds no case"));
  Tensor x = floats({1}, {1});
  relu("test_right", x, x);
  EXPECT_THAT(hone({"conformance", (folder / "suite").string(), "--device", "gpu"}).err, HasSubstr("choose one of"));
  EXPECT_THAT(hone({"conformance", (folder / "suite").string(), "--filter", "nosuch*"}).err, HasSubstr("nosuch"));
  // A file that is no tensor is a failed case, not the end of the run.
  folder.write("suite/node/test_right/test_data_set_0/input_0.pb", "\xff\xff");
  app_test::Result damaged = hone({"conformance", (folder / "suite").string()});
  EXPECT_EQ(damaged.code, 1);
  EXPECT_THAT(damaged.out, HasSubstr("damaged or truncated"));
}

}  // namespace
}  // namespace hone::app
