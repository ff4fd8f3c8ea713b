#include "graph/graph.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace hone {
namespace {

TEST(Graph, EditsKeepUsesRight) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{Dim::named("N"), 4});
  Node* a = graph.add(make_op("", "Relu"), {x}, "a");
  Node* b = graph.add(make_op("", "Relu"), {a->output()}, "b");
  graph.add_output("y", b->output());
  EXPECT_EQ(to_string(b->output()->type), "f32[N, 4]");
  EXPECT_EQ(a->output()->uses().size(), 1u);
  graph.replace_uses(b->output(), a->output());
  EXPECT_EQ(graph.remove_dead(), 1);
  EXPECT_EQ(graph.outputs()[0].name, "y");
  Graph copy = graph.clone();
  auto result = evaluate(copy, std::vector<Tensor>{Tensor::of<float>({1, 4}, {-1, 0, 1, 2})});
  EXPECT_EQ(result[0].to_floats(), (std::vector<float>{0, 0, 1, 2}));
}

TEST(Graph, SortFindsCycles) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{1});
  Node* a = graph.add(make_op("", "Relu"), {x}, "a");
  Node* b = graph.add(make_op("", "Relu"), {a->output()}, "b");
  graph.add_output("y", b->output());
  graph.set_input(a, 0, b->output());
  EXPECT_THROW(graph.sort(), Error);
}

// The sizes of an input that a fuzzer made: with borders they were above 2^63.
TEST(Graph, HugeSizesAreRefusedBeforeArithmeticOverflows) {
  Graph graph;
  EXPECT_THROW(graph.add_input("huge", DType::f32, Shape{INT64_MAX - 16}), Error);
  Value* x = graph.add_input("x", DType::f32, Shape{1, int64_t{1} << 48});
  EXPECT_THROW(graph.set_input_type(x, {DType::f32, Shape{INT64_MAX}}), Error);
  Value* pads = graph.add_constant("pads", Tensor::of<int64_t>({4}, {0, 0, 0, 251658240}));
  EXPECT_THROW(graph.add(make_op("", "Pad"), {x, pads}), Error);
}

}  // namespace
}  // namespace hone
