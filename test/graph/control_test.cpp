#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "graph/insert.hpp"
#include "graph/ops/control/if.hpp"
#include "graph/ops/control/loop.hpp"
#include "graph/text.hpp"
#include "graph/verify.hpp"

// If, Loop and Scan: inference, evaluation, text form, verifier. Import and export are in test/import/control_test.cpp.
using namespace hone;
using ::testing::HasSubstr;

namespace {

const char* const choice = R"(graph "g" {
  input %c: bool[]
  input %x: f32[N, 3]
  %y = If(%c, %x) {captures=1, else_branch=graph "no" {
      input %x: f32[N, 3]
      const %i: i64[1] = [0]
      %m = ReduceMax(%x, %i) {keepdims=1}
      output %m
    }, then_branch=graph "yes" {
      input %x: f32[N, 3]
      %n = Neg(%x)
      output %n
    }} : f32[?, 3]
  output %y
})";

std::string error_of_text(const std::string& text) {
  try {
    parse_text(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string loop_text(const std::string& state, const std::string& body) {
  return "graph \"g\" {\n input %n: i64[]\n input %x: " + state + "\n %y, %s = Loop(%n, _, %x) {body=graph \"b\" {\n" +
         "input %i: i64[]\ninput %go: bool[]\ninput %v: " + state + "\n" + body + "}}\n output %y\n output %s\n}";
}

}  // namespace

TEST(Control, TextFormPrintsAndParsesBodies) {
  Graph graph = parse_text(choice);
  std::string text = to_text(graph);
  EXPECT_THAT(text, HasSubstr("then_branch=graph \"yes\" {"));
  EXPECT_EQ(to_text(parse_text(text)), text);
  verify(graph);
}

TEST(Control, IfTakesABranch) {
  Graph graph = parse_text(choice);
  Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  auto yes = evaluate(graph, std::vector<Tensor>{Tensor::scalar<bool>(true), x});
  auto no = evaluate(graph, std::vector<Tensor>{Tensor::scalar<bool>(false), x});
  EXPECT_EQ(yes[0].to_floats(), (std::vector<float>{-1, -2, -3, -4, -5, -6}));
  EXPECT_EQ(no[0].dims(), (Dims{1, 3}));
}

TEST(Control, ClonesShareBodiesUntilOneChanges) {
  Graph graph = parse_text(choice), copy = graph.clone();
  auto* mine = graph.find_node("y")->as<ops::If>();
  auto* theirs = copy.find_node("y")->as<ops::If>();
  EXPECT_EQ(mine->then_branch, theirs->then_branch);
  theirs->set_body(0, std::make_shared<Graph>(theirs->else_branch->clone()));
  EXPECT_NE(mine->then_branch, theirs->then_branch);
  verify(graph);
}

TEST(Control, StatesThatChangeSizesBecomeUnknown) {
  // The state doubles in each run; the scan output is the number of the run.
  Graph graph = parse_text(loop_text("f32[2]", "%d = Concat(%v, %v) {axis=0}\n output %go\n output %d\n output %i\n"));
  EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[?]");
  EXPECT_EQ(to_string(graph.outputs()[1].value->type), "i64[?]");
  auto y = evaluate(graph, std::vector<Tensor>{Tensor::scalar<int64_t>(3), Tensor::of<float>({2}, {1, 2})});
  EXPECT_EQ(y[0].dims(), (Dims{16}));
  EXPECT_EQ(y[1].to_ints(), (std::vector<int64_t>{0, 1, 2}));
  verify(graph);
}

TEST(Control, ZeroRunsGiveEmptyScanOutputs) {
  Graph graph = parse_text(loop_text("f32[2]", "%d = Neg(%v)\n output %go\n output %d\n output \"t\" = %d\n"));
  auto y = evaluate(graph, std::vector<Tensor>{Tensor::scalar<int64_t>(0), Tensor::of<float>({2}, {1, 2})});
  EXPECT_EQ(y[0].to_floats(), (std::vector<float>{1, 2}));
  EXPECT_EQ(y[1].dims(), (Dims{0, 2}));
}

TEST(Control, BodiesThatDoNotFitAreErrors) {
  std::string changes =
      error_of_text(loop_text("f32[2]", "%d = Cast(%v) {to=7}\n output %go\n output %d\n output \"t\" = %d\n"));
  EXPECT_THAT(changes, HasSubstr("is f32 before the first run of the body and i64 after it"));
  std::string counts = error_of_text(loop_text("f32[2]", "output %go\n output %v\n"));
  EXPECT_THAT(counts, HasSubstr("its body has 2 outputs, expected 3"));
  std::string inner = error_of_text(replaced(choice, "%n = Neg(%x)", "%k: f32[7] = [1,1,1,1,1,1,1]"));
  EXPECT_NE(inner, "no error");
  std::string captured = error_of_text(replaced(choice, "captures=1", "captures=5"));
  EXPECT_THAT(captured, HasSubstr("has 0 inputs of its own"));
  std::string type =
      error_of_text(replaced(choice, "input %x: f32[N, 3]\n      const", "input %x: i64[N, 3]\n      const"));
  EXPECT_THAT(type, HasSubstr("hands f32 to input 'x'"));
}

TEST(Control, ErrorsInBodiesNameBothNodes) {
  Graph graph = parse_text(R"(graph "g" {
    input %c: bool[]
    input %x: f32[4]
    input %s: i64[1]
    %y = If(%c, %x, %s) {captures=2, then_branch=graph "t" {
        input %x: f32[4]
        input %s: i64[1]
        %r = Reshape(%x, %s) "inner"
        output %r
      }, else_branch=graph "e" {
        input %x: f32[4]
        input %s: i64[1]
        output %x
      }} "outer"
    output %y
  })");
  try {
    evaluate(graph, std::vector<Tensor>{Tensor::scalar<bool>(true), Tensor::zeros(DType::f32, {4}),
                                        Tensor::of<int64_t>({1}, {3})});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("reshape 'inner' in if 'outer'"));
  }
}

TEST(Control, VerifierLooksIntoBodies) {
  Graph graph = parse_text(choice);
  auto* node = graph.find_node("y")->as<ops::If>();
  auto broken = std::make_shared<Graph>(node->then_branch->clone());
  broken->add_output("n", broken->find_value("n"));  // the name is there twice
  node->set_body(0, broken);
  try {
    verify(graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("in if 'y'"));
  }
}

TEST(Control, InsertGraphPutsABodyInPlace) {
  Graph graph = parse_text(choice);
  const auto* node = graph.find_node("y")->as<ops::If>();
  std::vector<Value*> inputs{graph.inputs()[1]};
  auto outputs = insert_graph(graph, nullptr, *node->then_branch, inputs, "p/");
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0]->producer()->name, "p/n");
  EXPECT_EQ(to_string(outputs[0]->type), "f32[N, 3]");
  verify(graph);
}
