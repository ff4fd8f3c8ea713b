#include "graph/verify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "graph/text.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

std::string problem(const Graph& graph) {
  try {
    verify(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

Graph two_relus() {
  return parse_text("graph \"g\" { input %x: f32[N, 4] %a = Relu(%x) %b = Relu(%a) output \"y\" = %b }");
}

TEST(Verify, AcceptsSoundGraphs) {
  EXPECT_EQ(problem(two_relus()), "none");
  EXPECT_EQ(problem(Graph()), "none");
  EXPECT_GE(verify_rules().size(), 6u);
}

TEST(Verify, FindsForeignValues) {
  Graph graph = two_relus(), other = two_relus();
  graph.set_input(graph.find_node("b"), 0, other.find_value("a"));
  EXPECT_THAT(problem(graph), HasSubstr("relu 'b': input 0 is a value of no node"));
  Graph outputs = two_relus();
  outputs.set_output(0, other.find_value("a"));
  EXPECT_THAT(problem(outputs), HasSubstr("output 'y': is a value of no node"));
}

TEST(Verify, FindsWrongOrder) {
  Graph graph = two_relus();
  graph.set_input(graph.find_node("a"), 0, graph.find_value("b"));
  EXPECT_THAT(problem(graph), HasSubstr("relu 'a': comes before relu 'b'"));
}

TEST(Verify, FindsRepeatedNames) {
  Graph graph = two_relus();
  graph.find_node("b")->name = "a";
  EXPECT_THAT(problem(graph), HasSubstr("relu 'a': has a name that another node has too"));
  Graph values = two_relus();
  values.find_value("b")->name = "x";
  EXPECT_THAT(problem(values), HasSubstr("has a name that another value has too"));
  Graph renamed = two_relus();
  renamed.find_value("b")->name = "c";
  EXPECT_THAT(problem(renamed), HasSubstr("is not found by its name"));
  Graph outputs = two_relus();
  outputs.add_output("y", outputs.find_value("a"));
  EXPECT_THAT(problem(outputs), HasSubstr("output 'y': is there twice"));
}

TEST(Verify, FindsWrongCountsAndTypes) {
  Graph graph = two_relus();
  graph.set_inputs(graph.find_node("b"), {});
  EXPECT_THAT(problem(graph), HasSubstr("relu 'b': has 0 inputs"));
  Graph untyped = two_relus();
  untyped.find_value("a")->type = {};
  EXPECT_THAT(problem(untyped), HasSubstr("value 'a': has no element type"));
  Graph stale = two_relus();
  stale.set_input_type(stale.inputs()[0], {DType::f32, Shape{2, 4}});
  EXPECT_THAT(problem(stale), HasSubstr("relu 'a': output 0 is stored as f32[N, 4], its inputs make it f32[2, 4]"));
}

}  // namespace
}  // namespace hone
