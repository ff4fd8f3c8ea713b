#include "optimize/any_batch.hpp"

#include "graph/batch.hpp"
#include "pass_testing.hpp"

namespace hone {
namespace {

constexpr const char* folded_by_shape = R"(graph "g" {
  input %x: f32[1, 4, 2, 2]
  const %first: i64[1] = [0]
  const %rest: i64[1] = [-1]
  %sizes = Shape(%x)
  %batch = Gather(%sizes, %first)
  %wanted = Concat(%batch, %rest) {axis=0}
  %y = Reshape(%x, %wanted)
  output "y" = %y
})";

TEST(OptimizeForAnyBatch, KeepsWhatDependsOnTheBatch) {
  Graph graph = parse_text(folded_by_shape);
  optimize_for_any_batch(graph);
  EXPECT_EQ(to_string(graph.inputs()[0]->shape()), "[1, 4, 2, 2]");
  EXPECT_EQ(to_string(graph.outputs()[0].value->shape()), "[1, 16]");
  expect_same_numbers(parse_text(folded_by_shape), graph, 1);
  set_batch(graph, 3);
  EXPECT_EQ(to_string(graph.outputs()[0].value->shape()), "[3, 16]");
}

TEST(OptimizeForAnyBatch, FoldsWhatDependsOnOtherSizes) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 4, 2, 2]
    const %second: i64[1] = [1]
    const %rest: i64[1] = [-1]
    %sizes = Shape(%x)
    %channels = Gather(%sizes, %second)
    %wanted = Concat(%rest, %channels) {axis=0}
    %y = Reshape(%x, %wanted)
    output "y" = %y
  })");
  optimize_for_any_batch(graph);
  EXPECT_EQ(graph.nodes().size(), 1u);
}

// An If that asks for the batch is taken apart only when the batch is known.
TEST(OptimizeForAnyBatch, IsOptimizeWhereAFreeBatchLeavesMoreWork) {
  const char* text = R"(graph "g" {
    input %x: f32[1, 4]
    const %first: i64[1] = [0]
    const %one: i64[1] = [1]
    %sizes = Shape(%x)
    %batch = Gather(%sizes, %first)
    %single = Equal(%batch, %one)
    %flag = Squeeze(%single)
    %y = If(%flag, %x) {captures=1, then_branch=graph "t" {
        input %x: f32[1, 4]
        %a = Relu(%x)
        output %a
      }, else_branch=graph "e" {
        input %x: f32[1, 4]
        %b = Neg(%x)
        output %b
      }}
    output "y" = %y
  })";
  Graph graph = parse_text(text), plain = parse_text(text);
  optimize_for_any_batch(graph);
  optimize(plain);
  EXPECT_EQ(canonical(graph), canonical(plain));
  EXPECT_EQ(graph.nodes().size(), 1u);
}

TEST(OptimizeForAnyBatch, TakesModelsForOneBatchOnly) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 4]
    const %token: f32[1, 4] = [1, 2, 3, 4]
    %j = Concat(%x, %token) {axis=1}
    %y = Identity(%j)
    output "y" = %y
  })");
  Graph original = graph.clone();
  optimize_for_any_batch(graph);
  EXPECT_EQ(graph.nodes().size(), 1u);
  expect_same_numbers(original, graph, 1);
}

}  // namespace
}  // namespace hone
