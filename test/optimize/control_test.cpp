#include "graph/ops/control/loop.hpp"
#include "optimize/pass_manager.hpp"
#include "pass_testing.hpp"

// What the optimize stage does with If, Loop and Scan.
namespace hone {
namespace {

/// if (c) relu(x + k) else x, inside an outer graph that computes c and k.
std::string choice(const std::string& condition) {
  return R"(graph "g" {
    input %x: f32[4]
    const %one: f32[4] = [1, 1, 1, 1]
    const %two: f32[4] = [2, 2, 2, 2]
    %k = Add(%one, %two)
    %unused = Neg(%x)
    )" + condition + R"(
    %y = If(%c, %x, %k, %unused) {captures=3, then_branch=graph "t" {
        input %x: f32[4]
        input %k: f32[4]
        input %u: f32[4]
        %s = Add(%x, %k)
        %r = Relu(%s)
        output %r
      }, else_branch=graph "e" {
        input %x: f32[4]
        input %k: f32[4]
        input %u: f32[4]
        %i = Identity(%x)
        %j = Abs(%i)
        output %j
      }}
    output %y
  })";
}

size_t count(const Graph& graph, const std::string& op) {
  size_t found = 0;
  for (auto& node : graph.nodes()) found += node->is(op);
  return found;
}

TEST(OptimizeControl, IfWithAKnownConditionGoes) {
  Graph before = parse_text(choice("const %c: bool[] = [true]")), graph = before.clone();
  optimize(graph);
  EXPECT_EQ(count(graph, "If"), 0u);
  EXPECT_EQ(count(graph, "Relu"), 1u);
  verify(graph);
  expect_same_numbers(before, graph, 1);
}

TEST(OptimizeControl, BodiesAreOptimizedAndGiveUpCaptures) {
  Graph before = parse_text(choice("%m = ReduceMax(%x) {keepdims=0}\n const %z: f32[] = [0]\n %c = Greater(%m, %z)"));
  Graph graph = before.clone();
  PassOptions options;
  options.verify_each = true;
  PassReport report = optimize(graph, options);
  EXPECT_TRUE(report.settled);
  const Node* node = graph.find_node("y");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->inputs().size(), 2u);  // condition and x: k is a constant of the branch, the third had no use
  EXPECT_EQ(count(graph, "Neg"), 0u);
  auto bodies = ops::control_op(*node)->bodies();
  EXPECT_EQ(bodies[1]->nodes().size(), 1u);  // without the Identity
  for (unsigned seed = 1; seed < 4; ++seed) expect_same_numbers(before, graph, seed);
  EXPECT_TRUE(optimize(graph, options).settled);
}

TEST(OptimizeControl, ShortLoopsAreUnrolled) {
  Graph before = parse_text(R"(graph "g" {
    input %x: f32[4]
    const %n: i64[] = [3]
    const %k: f32[4] = [1, 2, 3, 4]
    %y, %all = Loop(%n, _, %x) {body=graph "b" {
        input %i: i64[]
        input %go: bool[]
        input %v: f32[4]
        %f = Cast(%i) {to=1}
        %w = Add(%v, %f)
        output %go
        output %w
        output "copy" = %w
      }}
    output %y
    output %all
  })");
  EXPECT_EQ(to_string(before.outputs()[1].value->type), "f32[3, 4]");
  Graph graph = before.clone();
  optimize(graph);
  EXPECT_EQ(count(graph, "Loop"), 0u);
  EXPECT_EQ(count(graph, "Cast"), 0u);  // the numbers of the runs are constants
  verify(graph);
  expect_same_numbers(before, graph, 1);
}

TEST(OptimizeControl, LongAndOpenLoopsStay) {
  for (const char* count_text : {"const %n: i64[] = [100000]", "input %n: i64[]"}) {
    Graph graph = parse_text(std::string("graph \"g\" {\n") + count_text + R"(
      const %x: f32[2] = [1, 2]
      %y = Loop(%n, _, %x) {body=graph "b" {
          input %i: i64[]
          input %go: bool[]
          input %v: f32[2]
          %w = Neg(%v)
          output %go
          output %w
        }}
      output %y
    })");
    optimize(graph);
    EXPECT_EQ(count(graph, "Loop"), 1u) << count_text;
  }
}

}  // namespace
}  // namespace hone
