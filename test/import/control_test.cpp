#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "export/export.hpp"
#include "graph/ops/control/loop.hpp"
#include "graph/verify.hpp"
#include "graph_checks.hpp"
#include "onnx_builder.hpp"

using namespace hone;
using namespace hone::testing_tools;
using ::testing::HasSubstr;

namespace {

std::string graph_attribute(const std::string& name, const OnnxBuilder& body) {
  return message([&](PbfWriter& out) {
    out.add_string(onnx::attribute::name, name);
    out.add_message(onnx::attribute::g, body.graph);
    out.add_enum(onnx::attribute::type, static_cast<int>(onnx::AttributeType::graph));
  });
}

/// A node with several graphs: the builder's node() takes one attribute as bytes.
std::string node_with_graphs(const OnnxNode& node, const std::vector<std::pair<std::string, OnnxBuilder>>& graphs) {
  return message([&](PbfWriter& out) {
    for (const std::string& value : node.inputs) out.add_string(onnx::node::input, value);
    for (const std::string& value : node.outputs) out.add_string(onnx::node::output, value);
    out.add_string(onnx::node::name, node.name);
    out.add_string(onnx::node::op_type, node.op);
    for (auto& [name, value] : node.attributes) out.add_message(onnx::node::attribute, attribute_message(name, value));
    for (auto& [name, graph] : graphs) out.add_message(onnx::node::attribute, graph_attribute(name, graph));
  });
}

Tensor floats(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
}
Tensor flag(bool value) { return Tensor::scalar<bool>(value); }

/// if (c) y = x + w else y = relu(x), with x, w and the inner value r of the graph around.
OnnxBuilder if_model() {
  OnnxBuilder yes, no, model;
  yes.output("a").node({"Add", {"r", "w"}, {"a"}, {}, "plus"});
  no.output("b").node({"Neg", {"x"}, {"b"}, {}, "minus"});
  model.input("c", Shape{}, DType::boolean).input("x", Shape{3}).output("y");
  model.initializer("w", floats({10, 20, 30}));
  model.node({"Relu", {"x"}, {"r"}, {}, "relu"});
  model.field(onnx::graph::node,
              node_with_graphs({"If", {"c"}, {"y"}, {}, "choice"}, {{"then_branch", yes}, {"else_branch", no}}));
  return model;
}

/// s = 0; for (i < n && more) { s += x; t = s * 2; more = s < limit }  ->  last s, all t
OnnxBuilder loop_model() {
  OnnxBuilder body, model;
  body.input("i", Shape{}, DType::i64).input("go", Shape{}, DType::boolean).input("s", Shape{2});
  body.output("more", {DType::boolean, Shape{}}).output("s2").output("t");
  body.node({"Add", {"s", "x"}, {"s2"}, {}, "add"}).node({"Add", {"s2", "s2"}, {"t"}, {}, "twice"});
  body.node({"ReduceMax", {"s2"}, {"m"}, {{"keepdims", int64_t{0}}}, "max"});
  body.node({"Less", {"m", "limit"}, {"more"}, {}, "less"});
  model.input("n", Shape{}, DType::i64).input("x", Shape{2}).output("last").output("all");
  model.initializer("limit", Tensor::scalar<float>(10)).initializer("zero", floats({0, 0}));
  model.field(onnx::graph::node,
              node_with_graphs({"Loop", {"n", "", "zero"}, {"last", "all"}, {}, "loop"}, {{"body", body}}));
  return model;
}

Graph exported(const Graph& graph) {
  OnnxFolder folder;
  auto path = folder.write("model.onnx", "");
  export_model(graph, path);
  return import_model(path);
}

std::string function_message(const std::string& name, const std::vector<std::string>& inputs,
                             const std::vector<std::string>& outputs, const std::vector<std::string>& nodes,
                             const std::string& default_attribute = {}, int64_t opset = 21,
                             const char* domain = "local") {
  return message([&](PbfWriter& out) {
    out.add_string(onnx::function::name, name);
    out.add_string(onnx::function::domain, domain);
    for (auto& input : inputs) out.add_string(onnx::function::input, input);
    for (auto& output : outputs) out.add_string(onnx::function::output, output);
    for (auto& node : nodes) out.add_message(onnx::function::node, node);
    if (!default_attribute.empty()) out.add_message(onnx::function::default_attribute, default_attribute);
    out.add_message(onnx::function::opset_import, message([&](PbfWriter& set) {
                      set.add_string(onnx::opset::domain, "");
                      set.add_int64(onnx::opset::version, opset);
                    }));
  });
}

std::string node_message(const OnnxNode& node, const std::string& attribute = {}) {
  return message([&](PbfWriter& out) {
    for (const std::string& value : node.inputs) out.add_string(onnx::node::input, value);
    for (const std::string& value : node.outputs) out.add_string(onnx::node::output, value);
    out.add_string(onnx::node::name, node.name);
    out.add_string(onnx::node::op_type, node.op);
    for (auto& [name, value] : node.attributes) out.add_message(onnx::node::attribute, attribute_message(name, value));
    if (!attribute.empty()) out.add_message(onnx::node::attribute, attribute);
    if (!node.domain.empty()) out.add_string(onnx::node::domain, node.domain);
  });
}

std::string reference(const std::string& name, const std::string& to, onnx::AttributeType type) {
  return message([&](PbfWriter& out) {
    out.add_string(onnx::attribute::name, name);
    out.add_string(onnx::attribute::ref_name, to);
    out.add_enum(onnx::attribute::type, static_cast<int>(type));
  });
}

void add_function(OnnxBuilder& model, const std::string& function) {
  PbfWriter(model.extra).add_message(onnx::model::functions, function);
}

}  // namespace

TEST(ImportControl, IfCapturesValuesOfTheGraphAround) {
  Graph graph = if_model().import();
  verify(graph);
  const Node* node = graph.find_node("choice");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->inputs().size(), 3u);  // condition, r, x; the constant w is in the branch
  EXPECT_EQ(to_string(node->output()->type), "f32[3]");
  Tensor x = floats({-1, 2, -3});
  EXPECT_EQ(evaluate(graph, std::vector<Tensor>{flag(true), x})[0].to_floats(), (std::vector<float>{10, 22, 30}));
  EXPECT_EQ(evaluate(graph, std::vector<Tensor>{flag(false), x})[0].to_floats(), (std::vector<float>{1, -2, 3}));
}

TEST(ImportControl, LoopEndsByCountOrCondition) {
  Graph graph = loop_model().import();
  verify(graph);
  EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[2]");
  EXPECT_EQ(to_string(graph.outputs()[1].value->type), "f32[?, 2]");
  auto run = [&](int64_t n) {
    return evaluate(graph, std::vector<Tensor>{Tensor::scalar<int64_t>(n), floats({1, 3})});
  };
  auto two = run(2), many = run(100), none = run(0);
  EXPECT_EQ(two[0].to_floats(), (std::vector<float>{2, 6}));
  EXPECT_EQ(two[1].to_floats(), (std::vector<float>{2, 6, 4, 12}));
  EXPECT_EQ(many[0].to_floats(), (std::vector<float>{4, 12}));  // ends when the sum passes 10
  EXPECT_EQ(none[0].to_floats(), (std::vector<float>{0, 0}));
  EXPECT_EQ(none[1].dims(), (Dims{0, 2}));
}

TEST(ImportControl, ExportWritesCapturedNamesBack) {
  for (const OnnxBuilder& model : {if_model(), loop_model()}) {
    Graph graph = model.import(), again = exported(graph);
    verify(again);
    ASSERT_EQ(graph.nodes().size(), again.nodes().size());
    std::vector<Tensor> inputs;
    for (const Value* input : graph.inputs()) {
      if (input->dtype() == DType::boolean) inputs.push_back(flag(true));
      else if (input->dtype() == DType::i64) inputs.push_back(Tensor::scalar<int64_t>(3));
      else inputs.push_back(random_tensor(DType::f32, input->shape().concrete(), 1));
    }
    auto a = evaluate(graph, inputs), b = evaluate(again, inputs);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(identical(a[i], b[i])) << i;
  }
}

TEST(ImportControl, LargeConstantsOfBodiesAreWrittenOnce) {
  OnnxBuilder yes, no, model;
  yes.output("a").node({"Add", {"x", "w"}, {"a"}, {}, "plus"});
  no.output("b").node({"Sub", {"x", "w"}, {"b"}, {}, "minus"});
  model.input("c", Shape{}, DType::boolean).input("x", Shape{1000}).output("y");
  model.initializer("w", random_tensor(DType::f32, {1000}, 3));
  model.field(onnx::graph::node,
              node_with_graphs({"If", {"c"}, {"y"}, {}, "choice"}, {{"then_branch", yes}, {"else_branch", no}}));
  OnnxFolder folder;
  auto path = folder.write("model.onnx", "");
  export_model(model.import(), path);
  EXPECT_LT(std::filesystem::file_size(path), 6000u);
  std::vector<Tensor> inputs{flag(false), random_tensor(DType::f32, {1000}, 4)};
  EXPECT_TRUE(identical(evaluate(model.import(), inputs)[0], evaluate(import_model(path), inputs)[0]));
}

TEST(ImportControl, ScanWithAxesAndDirections) {
  OnnxBuilder body, model;
  body.input("s", Shape{2}).input("v", Shape{2}).output("s2").output("o");
  body.node({"Add", {"s", "v"}, {"s2"}, {}, "add"}).node({"Identity", {"s2"}, {"o"}, {}, "copy"});
  model.input("s0", Shape{2}).input("x", Shape{2, 3}).output("last").output("sums");
  model.field(onnx::graph::node,
              node_with_graphs({"Scan", {"s0", "x"}, {"last", "sums"},
                                {{"num_scan_inputs", int64_t{1}},
                                 {"scan_input_axes", std::vector<int64_t>{1}},
                                 {"scan_input_directions", std::vector<int64_t>{1}},
                                 {"scan_output_axes", std::vector<int64_t>{-1}},
                                 {"scan_output_directions", std::vector<int64_t>{1}}}, "scan"}, {{"body", body}}));
  Graph graph = model.import();
  EXPECT_EQ(to_string(graph.outputs()[1].value->type), "f32[2, 3]");
  Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 10, 20, 30});
  for (const Graph& g : {graph.clone(), exported(graph)}) {
    auto y = evaluate(g, std::vector<Tensor>{floats({0, 100}), x});
    EXPECT_EQ(y[0].to_floats(), (std::vector<float>{6, 160}));
    EXPECT_EQ(y[1].to_floats(), (std::vector<float>{6, 5, 3, 160, 150, 130}));
  }
}

TEST(ImportControl, ScanOfOpset8GoesOverABatch) {
  OnnxBuilder body(8), model(8);
  body.input("s", Shape{2}).input("v", Shape{2}).output("s2").output("o");
  body.node({"Add", {"s", "v"}, {"s2"}, {}, "add"}).node({"Identity", {"s2"}, {"o"}, {}, "copy"});
  model.input("s0", Shape{2, 2}).input("x", Shape{2, 3, 2}).output("last").output("sums");
  model.field(onnx::graph::node, node_with_graphs({"Scan", {"", "s0", "x"}, {"last", "sums"},
                                                   {{"num_scan_inputs", int64_t{1}}}, "scan"}, {{"body", body}}));
  Graph graph = model.import();
  Tensor s = Tensor::of<float>({2, 2}, {0, 0, 100, 100});
  Tensor x = Tensor::of<float>({2, 3, 2}, {1, 2, 3, 4, 5, 6, 1, 1, 1, 1, 1, 1});
  for (const Graph& g : {graph.clone(), exported(graph)}) {
    auto y = evaluate(g, std::vector<Tensor>{s, x});
    EXPECT_EQ(y[0].to_floats(), (std::vector<float>{9, 12, 103, 103}));
    EXPECT_EQ(y[1].dims(), (Dims{2, 3, 2}));
    EXPECT_EQ(y[1].to_floats(), (std::vector<float>{1, 2, 4, 6, 9, 12, 101, 101, 102, 102, 103, 103}));
  }
}

TEST(ImportControl, NestedGraphsSeeAllGraphsAround) {
  OnnxBuilder inner_yes, inner_no, yes, no, model;
  inner_yes.output("p").node({"Add", {"far", "near"}, {"p"}, {}, "sum"});
  inner_no.output("q").node({"Identity", {"k"}, {"q"}, {}, "id"});
  yes.output("out").node({"Neg", {"x"}, {"near"}, {}, "neg"});
  yes.field(onnx::graph::node, node_with_graphs({"If", {"d"}, {"out"}, {}, "inner"},
                                                {{"then_branch", inner_yes}, {"else_branch", inner_no}}));
  no.output("far");  // a value of the graph around, as it is
  model.input("c", Shape{}, DType::boolean).input("d", Shape{}, DType::boolean).input("x", Shape{2}).output("y");
  model.initializer("k", floats({7, 8})).node({"Abs", {"x"}, {"far"}, {}, "abs"});
  model.field(onnx::graph::node,
              node_with_graphs({"If", {"c"}, {"y"}, {}, "outer"}, {{"then_branch", yes}, {"else_branch", no}}));
  Graph graph = model.import();
  verify(graph);
  for (const Graph& g : {graph.clone(), exported(graph)}) {
    auto run = [&](bool c, bool d) {
      return evaluate(g, std::vector<Tensor>{flag(c), flag(d), floats({-1, 2})})[0].to_floats();
    };
    EXPECT_EQ(run(true, true), (std::vector<float>{2, 0}));
    EXPECT_EQ(run(true, false), (std::vector<float>{7, 8}));
    EXPECT_EQ(run(false, true), (std::vector<float>{1, 2}));
  }
}

TEST(ImportControl, ABranchThatSizesRuleOutNeedNotFit) {
  // if (rank of x is 2) y = x else y = split of x in three, which only fits other sizes
  OnnxBuilder yes, no, model;
  yes.output("a").node({"Neg", {"x"}, {"a"}, {}, "neg"});
  no.output("p").node({"Conv", {"x", "w"}, {"p"}, {}, "conv"});
  model.input("x", Shape{2, 3}).output("y").initializer("w", Tensor::zeros(DType::f32, {1, 1, 3, 3}));
  model.initializer("two", Tensor::of<int64_t>({1}, {2})).initializer("axes", Tensor::of<int64_t>({1}, {0}));
  model.node({"Shape", {"x"}, {"s"}, {}, "s"})
      .node({"Shape", {"s"}, {"r"}, {}, "r"})
      .node({"Equal", {"r", "two"}, {"e"}, {}, "e"});
  model.node({"Squeeze", {"e", "axes"}, {"c"}, {}, "c"});
  model.field(onnx::graph::node,
              node_with_graphs({"If", {"c"}, {"y"}, {}, "if"}, {{"then_branch", yes}, {"else_branch", no}}));
  Graph graph = model.import();
  EXPECT_NE(graph.find_node("if/neg"), nullptr);
  EXPECT_EQ(graph.find_node("if"), nullptr);
  verify(graph);
}

TEST(ImportControl, BrokenNodesAreNamed) {
  OnnxBuilder model, yes;
  model.input("c", Shape{}, DType::boolean).output("y").node({"If", {"c"}, {"y"}, {}, "choice"});
  EXPECT_THAT(error_of([&] { model.import(); }), HasSubstr("if 'choice': has no graph"));
  OnnxBuilder ghost;
  yes.output("a").node({"Neg", {"ghost"}, {"a"}, {}, "neg"});
  ghost.input("c", Shape{}, DType::boolean).output("y");
  ghost.field(onnx::graph::node,
              node_with_graphs({"If", {"c"}, {"y"}, {}, "choice"}, {{"then_branch", yes}, {"else_branch", yes}}));
  EXPECT_THAT(error_of([&] { ghost.import(); }), HasSubstr("uses value 'ghost' that nothing produces"));
}

TEST(ImportControl, HostileNestingHasALimit) {
  OnnxBuilder deepest;
  deepest.output("a").node({"Neg", {"x"}, {"a"}, {}, "neg"});
  for (int depth = 0; depth < 200; ++depth) {
    OnnxBuilder around;
    around.output("a");
    around.field(onnx::graph::node, node_with_graphs({"If", {"c"}, {"a"}, {}, "if"}, {{"then_branch", deepest}}));
    deepest = around;
  }
  EXPECT_THAT(error_of([&] { deepest.import(); }), HasSubstr("nests graphs more than 16 deep"));
}

TEST(ImportControl, LoopThatChangesARankOfItsState) {
  OnnxBuilder body, model;
  body.input("i", Shape{}, DType::i64).input("go", Shape{}, DType::boolean).input("s", Shape());
  body.output("go").output("s2").initializer("axis", Tensor::of<int64_t>({1}, {0}));
  body.node({"Unsqueeze", {"s", "axis"}, {"s2"}, {}, "grow"});
  model.input("n", Shape{}, DType::i64).input("x", Shape{2}).output("y");
  model.field(onnx::graph::node, node_with_graphs({"Loop", {"n", "", "x"}, {"y"}, {}, "loop"}, {{"body", body}}));
  Graph graph = model.import();
  EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[*]");
  EXPECT_EQ(evaluate(graph, std::vector<Tensor>{Tensor::scalar<int64_t>(3), floats({1, 2})})[0].dims(),
            (Dims{1, 1, 1, 2}));
}

TEST(ImportFunctions, AreInlinedWithAttributes) {
  OnnxBuilder model;
  model.input("x", Shape{4}).output("y").output("z");
  model.node({"Twice", {"x"}, {"y"}, {{"slope", 0.25f}}, "first", "local"});
  model.node({"Twice", {"x"}, {"z"}, {}, "second", "local"});
  std::string leaky =
      node_message({"LeakyRelu", {"a"}, {"b"}, {}, "leaky"}, reference("alpha", "slope", onnx::AttributeType::f));
  std::string call = node_message({"Sum2", {"b", "b"}, {"c"}, {}, "sum", "local"});
  std::string add = node_message({"Add", {"p", "q"}, {"r"}, {}, "add"});
  add_function(model, function_message("Twice", {"a"}, {"c"}, {leaky, call}, attribute_message("slope", 0.5f)));
  add_function(model, function_message("Sum2", {"p", "q"}, {"r"}, {add}));
  Graph graph = model.import();
  verify(graph);
  EXPECT_NE(graph.find_node("first/leaky"), nullptr);
  EXPECT_NE(graph.find_node("second/sum/add"), nullptr);
  auto y = evaluate(graph, std::vector<Tensor>{floats({-4, 4, -8, 8})});
  EXPECT_EQ(y[0].to_floats(), (std::vector<float>{-2, 8, -4, 16}));
  EXPECT_EQ(y[1].to_floats(), (std::vector<float>{-4, 8, -8, 16}));
}

TEST(ImportFunctions, HaveTheirOwnOpset) {
  OnnxBuilder model(21);
  model.input("x", Shape{4}).output("y").node({"Bound", {"x"}, {"y"}, {}, "call", "local"});
  // Clip with attributes is of opset 6 to 10.
  std::string clip = node_message({"Clip", {"a"}, {"b"}, {{"min", -1.0f}, {"max", 1.0f}}, "clip"});
  add_function(model, function_message("Bound", {"a"}, {"b"}, {clip}, {}, 10));
  EXPECT_EQ(evaluate(model.import(), std::vector<Tensor>{floats({-4, 4, 0.5f, 0})})[0].to_floats(),
            (std::vector<float>{-1, 1, 0.5f, 0}));
}

TEST(ImportFunctions, GoBeforeOpsOfOnnxRuntime) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y").node({"Gelu", {"x"}, {"y"}, {}, "call", "com.microsoft"});
  std::string neg = node_message({"Neg", {"a"}, {"b"}, {}, "neg"});
  add_function(model, function_message("Gelu", {"a"}, {"b"}, {neg}, {}, 21, "com.microsoft"));
  EXPECT_EQ(evaluate(model.import(), std::vector<Tensor>{floats({-4, 4})})[0].to_floats(),
            (std::vector<float>{4, -4}));
}

TEST(ImportFunctions, OptionalInputsAndGraphsInside) {
  OnnxBuilder model, yes, no;
  yes.output("s").node({"Clip", {"a", "low"}, {"s"}, {}, "clip"});
  no.output("t").node({"Neg", {"a"}, {"t"}, {}, "neg"});
  model.input("c", Shape{}, DType::boolean).input("x", Shape{2}).output("y").output("z");
  model.initializer("zero", Tensor::scalar<float>(0));
  model.node({"Choose", {"c", "x", "zero"}, {"y"}, {}, "with", "local"});
  model.node({"Choose", {"c", "x"}, {"z"}, {}, "without", "local"});
  std::string body = node_with_graphs({"If", {"k"}, {"b"}, {}, "if"}, {{"then_branch", yes}, {"else_branch", no}});
  add_function(model, function_message("Choose", {"k", "a", "low"}, {"b"}, {body}));
  auto y = evaluate(model.import(), std::vector<Tensor>{flag(true), floats({-1, 2})});
  EXPECT_EQ(y[0].to_floats(), (std::vector<float>{0, 2}));
  EXPECT_EQ(y[1].to_floats(), (std::vector<float>{-1, 2}));
}

TEST(ImportFunctions, RecursionAndBlowUpAreErrors) {
  OnnxBuilder self;
  self.input("x", Shape{4}).output("y").node({"F", {"x"}, {"y"}, {}, "call", "local"});
  add_function(self, function_message("F", {"a"}, {"b"}, {node_message({"F", {"a"}, {"b"}, {}, "again", "local"})}));
  EXPECT_THAT(error_of([&] { self.import(); }), HasSubstr("is a call of function 'F' inside that function"));

  // Each function calls the next one ten times: 10^30 nodes.
  OnnxBuilder bomb;
  bomb.input("x", Shape{4}).output("y").node({"F0", {"x"}, {"y"}, {}, "call", "local"});
  for (int level = 0; level < 30; ++level) {
    std::vector<std::string> nodes;
    std::string next = "F" + std::to_string(level + 1), value = "a";
    for (int i = 0; i < 10; ++i) {
      std::string out = i == 9 ? "b" : "v" + std::to_string(i);
      nodes.push_back(node_message(
          {level == 29 ? "Neg" : next, {value}, {out}, {}, "n" + std::to_string(i), level == 29 ? "" : "local"}));
      value = out;
    }
    add_function(bomb, function_message("F" + std::to_string(level), {"a"}, {"b"}, nodes));
  }
  EXPECT_THAT(error_of([&] { bomb.import(); }), HasSubstr("more than 1000000 nodes"));
}

TEST(ImportFunctions, ReferencesOutsideOfFunctionsAreErrors) {
  OnnxBuilder model;
  model.input("x", Shape{4}).output("y");
  model.node({"LeakyRelu", {"x"}, {"y"}, {}, "leaky"}, reference("alpha", "slope", onnx::AttributeType::f));
  EXPECT_THAT(error_of([&] { model.import(); }), HasSubstr("refers to an attribute of a function, outside of one"));
}
