#include <gmock/gmock.h>

#include "graph/ops/reduce/reduction.hpp"
#include "ops_a_support.hpp"

namespace hone {
namespace {

using namespace testing_ops;
using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;

const Attributes flat = {{"keepdims", int64_t{0}}};

/// [3, 2, 2]: 1 to 12.
Tensor twelve() {
  std::vector<float> values;
  for (int i = 1; i <= 12; ++i) values.push_back(static_cast<float>(i));
  return f32({3, 2, 2}, values);
}

TEST(Reduce, KnownValuesAlongTheMiddleAxis) {
  struct Case {
    const char* type;
    std::vector<double> y;
  };
  const std::vector<Case> cases = {
      {"ReduceSum", {4, 6, 12, 14, 20, 22}},
      {"ReduceMean", {2, 3, 6, 7, 10, 11}},
      {"ReduceMax", {3, 4, 7, 8, 11, 12}},
      {"ReduceMin", {1, 2, 5, 6, 9, 10}},
      {"ReduceProd", {3, 8, 35, 48, 99, 120}},
      {"ReduceL1", {4, 6, 12, 14, 20, 22}},
      {"ReduceL2", {std::sqrt(10), std::sqrt(20), std::sqrt(74), std::sqrt(100), std::sqrt(202), std::sqrt(244)}},
      {"ReduceSumSquare", {10, 20, 74, 100, 202, 244}},
      {"ReduceLogSum", {std::log(4), std::log(6), std::log(12), std::log(14), std::log(20), std::log(22)}},
      {"ReduceLogSumExp", {3.126928, 4.126928, 7.126928, 8.126928, 11.126928, 12.126928}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type);
    for (int64_t axis : {1, -2}) {
      Tensor y = run(c.type, {twelve(), i64({axis})});
      EXPECT_EQ(y.dims(), (Dims{3, 1, 2}));
      expect_near(y, c.y);
      EXPECT_EQ(run(c.type, {twelve(), i64({axis})}, flat).dims(), (Dims{3, 2}));
    }
    expect_near(run(c.type, {twelve().cast(DType::f64), i64({1})}), c.y, 1e-6);
    expect_near(run(c.type, {twelve().cast(DType::f16), i64({1})}), c.y, 2e-3);
    expect_near(run(c.type, {twelve().cast(DType::bf16), i64({1})}), c.y, 2e-2);
    std::vector<double> truncated;
    for (double value : c.y) truncated.push_back(std::trunc(value + 1e-9));
    for (DType dtype : {DType::i32, DType::i64, DType::u32, DType::u64})
      expect_near(run(c.type, {twelve().cast(dtype), i64({1})}), truncated, 0);
    auto op = op_of(c.type, flat);
    EXPECT_TRUE(same_op(*op, *op->clone()));
  }
}

TEST(Reduce, AxesInAnyOrder) {
  EXPECT_EQ(run("ReduceSum", {twelve()}).dims(), (Dims{1, 1, 1}));
  EXPECT_EQ(run("ReduceSum", {twelve()}, flat).dims(), Dims{});
  expect_near(run("ReduceSum", {twelve()}), {78});
  expect_near(run("ReduceSum", {twelve(), i64({})}), {78});
  expect_near(run("ReduceSum", {twelve(), i64({2, 0})}, flat), {1 + 2 + 5 + 6 + 9 + 10, 3 + 4 + 7 + 8 + 11 + 12});
  expect_near(run("ReduceSum", {twelve(), i64({0})}, flat), {15, 18, 21, 24});
  expect_near(run("ReduceSum", {twelve(), i64({1, 2})}, flat), {10, 26, 42});
  expect_near(run("ReduceSum", {twelve(), i64({0, 1})}, flat), {36, 42});
  expect_near(run("ReduceMean", {Tensor::scalar(3.0f)}), {3});
}

TEST(Reduce, NoAxesLeavesTheElementwisePart) {
  Attributes noop = {{"noop_with_empty_axes", int64_t{1}}};
  Tensor x = f32({2, 2}, {-1, 2, -3, 4});
  for (const Tensor& axes : {Tensor(), i64({})}) {
    EXPECT_EQ(run("ReduceSum", {x, axes}, noop).dims(), (Dims{2, 2}));
    expect_near(run("ReduceSum", {x, axes}, noop), {-1, 2, -3, 4});
    expect_near(run("ReduceSumSquare", {x, axes}, noop), {1, 4, 9, 16});
    expect_near(run("ReduceL1", {x, axes}, noop), {1, 2, 3, 4});
  }
  expect_near(run("ReduceSum", {x, i64({1})}, noop), {1, 1});
}

TEST(Reduce, EmptySets) {
  Tensor x(DType::f32, {2, 0, 4});
  struct Case {
    const char* type;
    double y;
  };
  for (Case c : {Case{"ReduceSum", 0},
                 {"ReduceProd", 1},
                 {"ReduceMax", -inf},
                 {"ReduceMin", inf},
                 {"ReduceL1", 0},
                 {"ReduceL2", 0},
                 {"ReduceSumSquare", 0},
                 {"ReduceLogSum", -inf},
                 {"ReduceLogSumExp", -inf},
                 {"ReduceMean", nan}}) {
    SCOPED_TRACE(c.type);
    Tensor y = run(c.type, {x, i64({1})});
    EXPECT_EQ(y.dims(), (Dims{2, 1, 4}));
    expect_near(y, std::vector<double>(8, c.y));
    EXPECT_EQ(run(c.type, {x, i64({2})}, flat).dims(), (Dims{2, 0}));
  }
  Tensor none(DType::i32, {0});
  EXPECT_EQ(run("ReduceMax", {none}).to_ints(), (Ints{std::numeric_limits<int32_t>::min()}));
  EXPECT_EQ(run("ReduceMin", {none}).to_ints(), (Ints{std::numeric_limits<int32_t>::max()}));
  EXPECT_EQ(run("ReduceMean", {none}).to_ints(), (Ints{0}));
  EXPECT_EQ(run("ReduceMax", {Tensor(DType::boolean, {0})}).to_ints(), (Ints{0}));
  EXPECT_EQ(run("ReduceMin", {Tensor(DType::boolean, {0})}).to_ints(), (Ints{1}));
}

TEST(Reduce, BoolAndSmallIntegers) {
  Tensor x = bools({1, 0, 1, 1}).reshaped({2, 2});
  EXPECT_EQ(run("ReduceMax", {x, i64({1})}).to_ints(), (Ints{1, 1}));
  EXPECT_EQ(run("ReduceMin", {x, i64({1})}).to_ints(), (Ints{0, 1}));
  EXPECT_EQ(run("ReduceMax", {ints(DType::i8, {-5, -3})}).to_ints(), (Ints{-3}));
  EXPECT_EQ(run("ReduceMin", {ints(DType::u8, {5, 3})}).to_ints(), (Ints{3}));
  EXPECT_EQ(run("ReduceMean", {i64({-3, -4})}).to_ints(), (Ints{-3}));
  EXPECT_EQ(run("ReduceL1", {i64({-3, 4})}).to_ints(), (Ints{7}));
  EXPECT_THAT(failure("ReduceSum", {x}), HasSubstr("input 0 is bool, expected a number type"));
}

TEST(Reduce, StaysExactAndFinite) {
  // Summed in f32, adding 1 to 2^24 changes nothing.
  std::vector<float> values(1001, 1.0f);
  values[0] = 16777216.0f;
  expect_near(run("ReduceSum", {f32(values)}), {16777216.0 + 1000}, 0);
  expect_near(run("ReduceMean", {f32({3e38f, 3e38f})}), {3e38});
  expect_near(run("ReduceLogSumExp", {f32({1000, 1000})}), {1000 + std::log(2)});
  expect_near(run("ReduceLogSumExp", {f32({-inf, 0})}), {0});
  expect_near(run("ReduceLogSumExp", {f32({inf, 0})}), {inf});
  expect_near(run("ReduceMax", {f32({1, nan, 2})}), {nan});
  expect_near(run("ReduceMin", {f32({nan, 2})}), {nan});
}

TEST(Reduce, NamesWhatIsWrong) {
  EXPECT_THAT(failure("ReduceMean", {twelve(), i64({3})}), HasSubstr("axis is 3, expected -3 to 2 for rank 3"));
  EXPECT_THAT(failure("ReduceMean", {twelve(), i64({1, -2})}), HasSubstr("axis -2 is given twice"));
  EXPECT_THAT(failure("ReduceMean", {twelve(), f32({1})}), HasSubstr("input 1 is f32, expected i64"));
}

TEST(Reduce, ShapesWithUnknownParts) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{Dim::named("N"), 8, Dim()});
  Value* axes = graph.add_input("axes", DType::i64, Shape{1});
  Value* one = graph.add_constant("one", i64({-1}));
  auto shape = [&](std::vector<Value*> inputs, const Attributes& attributes) {
    return to_string(graph.add(op_of("ReduceMean", attributes), std::move(inputs))->output()->shape());
  };
  EXPECT_EQ(shape({x, one}, {}), "[N, 8, 1]");
  EXPECT_EQ(shape({x, one}, flat), "[N, 8]");
  EXPECT_EQ(shape({x, axes}, {}), "[?, ?, ?]");
  EXPECT_EQ(shape({x, axes}, flat), "[*]");
  EXPECT_EQ(shape({x}, flat), "[]");
}

TEST(Reduce, TellsPassesItsAxes) {
  Graph graph = one_node("ReduceMean", {twelve(), i64({-1, 1})}, {}, true);
  Node* node = graph.node_list()[0];
  auto* reduction = node->as<ops::Reduction>();
  ASSERT_NE(reduction, nullptr);
  EXPECT_TRUE(reduction->keepdims);
  EXPECT_EQ(reduction->reduced_axes(*node), (std::vector<size_t>{1, 2}));
  Graph open = one_node("ReduceMean", {twelve(), i64({-1, 1})}, {}, false);
  EXPECT_EQ(reduction->reduced_axes(*open.node_list()[0]), std::nullopt);
}

TEST(ArgExtreme, AxesTiesAndTypes) {
  Tensor x = f32({2, 3}, {2, 1, 2, 3, 10, 10});
  Attributes last = {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}};
  EXPECT_EQ(run("ArgMax", {x}).to_ints(), (Ints{1, 1, 1}));
  EXPECT_EQ(run("ArgMax", {x}).dims(), (Dims{1, 3}));
  EXPECT_EQ(run("ArgMax", {x}, {{"axis", int64_t{1}}}).to_ints(), (Ints{0, 1}));
  EXPECT_EQ(run("ArgMax", {x}, {{"axis", int64_t{-1}}, {"keepdims", int64_t{0}}}).dims(), (Dims{2}));
  EXPECT_EQ(run("ArgMax", {x}, last).to_ints(), (Ints{2, 2}));
  EXPECT_EQ(run("ArgMin", {x}, {{"axis", int64_t{1}}}).to_ints(), (Ints{1, 0}));
  EXPECT_EQ(run("ArgMin", {f32({1, 1, 2})}, {{"select_last_index", int64_t{1}}}).to_ints(), (Ints{1}));
  EXPECT_EQ(run("ArgMax", {f32({1, nan, 3, nan})}).to_ints(), (Ints{1}));
  EXPECT_EQ(run("ArgMin", {f32({1, nan, -3, nan})}).to_ints(), (Ints{1}));
  EXPECT_EQ(run("ArgMax", {f32({1, nan, 3, nan})}, {{"select_last_index", int64_t{1}}}).to_ints(), (Ints{3}));
  EXPECT_EQ(run("ArgMax", {ints(DType::i8, {-5, -3, -4})}).to_ints(), (Ints{1}));
  EXPECT_EQ(run("ArgMax", {x.cast(DType::f16)}, {{"axis", int64_t{1}}}).to_ints(), (Ints{0, 1}));
  EXPECT_EQ(run("ArgMax", {Tensor(DType::f32, {3, 0})}).dims(), (Dims{1, 0}));
  EXPECT_THAT(failure("ArgMax", {Tensor(DType::f32, {3, 0})}, {{"axis", int64_t{1}}}),
              HasSubstr("axis 1 of [3, 0] is empty"));
  EXPECT_THAT(failure("ArgMax", {x}, {{"axis", int64_t{2}}}), HasSubstr("axis is 2, expected -2 to 1 for rank 2"));
}

}  // namespace
}  // namespace hone
