#include "export/export.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/text.hpp"
#include "graph/verify.hpp"
#include "graph_checks.hpp"
#include "import/onnx_builder.hpp"

namespace hone {
namespace {

using namespace testing_tools;
using testing::HasSubstr;
namespace fs = std::filesystem;

Graph round_trip(const Graph& graph, const ExportOptions& options = {}) {
  OnnxFolder folder;
  export_model(graph, folder / "model.onnx", options);
  Graph back = import_model(folder / "model.onnx");
  verify(back);
  return back;
}

/// The graph that comes back computes the same, bit for bit, and has the same interface.
void expect_same(const Graph& graph, const Graph& back, uint64_t seed = 1) {
  ASSERT_EQ(graph.inputs().size(), back.inputs().size());
  for (size_t i = 0; i < graph.inputs().size(); ++i) {
    EXPECT_EQ(graph.inputs()[i]->name, back.inputs()[i]->name);
    EXPECT_EQ(graph.inputs()[i]->type, back.inputs()[i]->type);
  }
  ASSERT_EQ(graph.outputs().size(), back.outputs().size());
  auto inputs = random_inputs(graph, seed);
  auto expected = evaluate(graph, inputs), found = evaluate(back, inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(graph.outputs()[i].name, back.outputs()[i].name);
    EXPECT_TRUE(identical(expected[i], found[i])) << graph.outputs()[i].name << " differs, seed " << seed;
  }
}

void expect_round_trip(const std::string& text) {
  Graph graph = parse_text(text);
  expect_same(graph, round_trip(graph));
}

TEST(Export, NoAttributeThatOlderRuntimesRefuse) {
  Graph graph = parse_text("graph \"q\" {\n input %x: f32[2]\n const %s: f32[] = [0.1]\n const %z: u8[] = [3]\n"
                           "%q = QuantizeLinear(%x, %s, %z)\n%y = DequantizeLinear(%q, %s, %z)\n output \"y\" = %y }");
  OnnxFolder folder;
  export_model(graph, folder / "model.onnx");
  std::string file = read_text_file(folder / "model.onnx");
  EXPECT_THAT(file, HasSubstr("QuantizeLinear"));
  for (const char* name : {"output_dtype", "precision"}) EXPECT_THAT(file, testing::Not(HasSubstr(name)));
}

TEST(Export, GraphComesBackAsItWas) {
  Graph graph = parse_text(R"(graph "net" {
    metadata "labels" = "cat\ndog"
    input %x: f32[N, 3, 8, 8]
    const %w: f32[4, 3, 3, 3] = random(1)
    const %b: f32[4] = [1, 2, 3, 4]
    const %shape: i64[2] = [0, -1]
    const %b0: f32[] = [2]
    %c = Conv(%x, %w, %b) {strides=[2, 2], pads=[1, 1, 1, 1]} "stem"
    %r = LeakyRelu(%c) {alpha=0.25} "act"
    %clipped = Clip(%r, _, %b0) "clip"
    %flat = Reshape(%clipped, %shape) "flatten"
    output "logits" = %flat
  })");
  Graph back = round_trip(graph);
  expect_same(graph, back);
  EXPECT_EQ(back.name, "net");
  EXPECT_EQ(back.metadata, graph.metadata);
  EXPECT_NE(back.find_node("stem"), nullptr);
  EXPECT_EQ(to_string(back.outputs()[0].value->type), to_string(graph.outputs()[0].value->type));
  ASSERT_EQ(graph.nodes().size(), back.nodes().size());
  auto other = back.nodes().begin();
  for (auto& node : graph.nodes()) EXPECT_TRUE(same_op(node->op(), (*other++)->op())) << node->name;
}

TEST(Export, IsIdempotent) {
  Graph graph = small_model().import();
  OnnxFolder folder;
  export_model(graph, folder / "a.onnx");
  export_model(import_model(folder / "a.onnx"), folder / "b.onnx");
  EXPECT_EQ(read_text_file(folder / "a.onnx"), read_text_file(folder / "b.onnx"));
}

TEST(Export, AllElementTypes) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{1});
  graph.add_output("x", x);
  for (DType type : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::u8, DType::i8, DType::u16, DType::i16,
                     DType::u32, DType::i32, DType::u64, DType::i64, DType::boolean})
    graph.add_output(name_of(type), graph.add_constant("", Tensor::of<float>({3}, {0, 1, 100}).cast(type)));
  graph.add_output("strings", graph.add_constant("", Tensor({2}, std::vector<std::string>{"a", "bc"})));
  graph.add_output("none", graph.add_constant("", Tensor(DType::f32, {0, 4})));
  graph.add_output("scalar", graph.add_constant("", Tensor::scalar<int64_t>(5)));
  Graph back = round_trip(graph);
  expect_same(graph, back);
}

TEST(Export, WeightsComeBackWithoutACopy) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{3});
  graph.add_output("x", x);
  std::vector<std::string> names;
  for (int i = 1; i <= 12; ++i) {  // odd sizes before wide elements shift the position
    names.push_back(std::string(static_cast<size_t>(i), 'v'));
    Tensor bytes = Tensor::of<uint8_t>({i}, std::vector<uint8_t>(static_cast<size_t>(i), 7));
    graph.add_output(names.back() + " bytes", graph.add_constant("", bytes));
    graph.add_output(names.back(), graph.add_constant("", Tensor::of<double>({1}, {i + 0.5})));
  }
  OnnxFolder folder;
  export_model(graph, folder / "model.onnx");
  Graph back = import_model(folder / "model.onnx");
  std::set<const void*> owners;
  for (const Value* constant : back.constants()) owners.insert(constant->constant().owner().get());
  EXPECT_EQ(owners.size(), 1u) << "every weight should refer to the one mapped file";
  expect_same(graph, back);
}

TEST(Export, NamesOfOutputs) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[2]
    %a = Relu(%x) "probabilities"
    %b = Abs(%a) "b"
    const %c: f32[1] = [4]
    output "probabilities" = %b
    output "hidden" = %a
    output "again" = %b
    output "c" = %c
    output "input" = %x
  })");
  Graph back = round_trip(graph);
  expect_same(graph, back);
}

TEST(Export, NamesThatCannotBe) {
  Graph graph = parse_text("graph \"g\" {\n input %x: f32[2]\n %a = Relu(%x)\n output \"x\" = %a\n}");
  EXPECT_THAT(error_of([&] { round_trip(graph); }), HasSubstr("output 'x': has the name of an input"));
  Graph twice = parse_text("graph \"g\" {\n input %x: f32[2]\n %a = Relu(%x)\n output \"y\" = %a\n}");
  twice.add_output("y", twice.outputs()[0].value);
  EXPECT_THAT(error_of([&] { round_trip(twice); }), HasSubstr("output 'y': is the name of two outputs"));
}

TEST(Export, HoneOpsBecomeStandardOnes) {
  for (const char* attributes : {"", "{alpha=1.5}"}) {
    Graph graph = parse_text(std::string("graph \"g\" {\n input %x: f32[2, 5]\n %y = hone.Swish(%x) ") + attributes +
                             " \"gate\"\n output \"y\" = %y\n}");
    Graph back = round_trip(graph);
    for (auto& node : back.nodes()) EXPECT_STREQ(node->op().domain(), "");
    auto inputs = random_inputs(graph, 3);
    expect_near(evaluate(back, inputs)[0], evaluate(graph, inputs)[0], 1e-5, 1e-6);
  }
}

TEST(Export, OpsWithoutAStandardFormAreNamed) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{2});
  Node* node = graph.add_untyped(make_op("hone", "Fused"), {x}, "block", 1);
  graph.add_output("y", node->output());
  EXPECT_THAT(error_of([&] { round_trip(graph); }),
              HasSubstr("fused 'block': op hone.Fused has no form in standard ONNX"));
}

TEST(Export, UntypedOutputsAreRefused) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{2});
  graph.add_output("y", graph.add_untyped(make_op("", "Relu"), {x}, "r", 1)->output());
  EXPECT_THAT(error_of([&] { round_trip(graph); }), HasSubstr("output 'y': has no element type; run Graph::infer()"));
}

TEST(Export, UnknownExtensions) {
  EXPECT_THAT(error_of([] { export_model(Graph(), "model.pt"); }),
              HasSubstr("'model.pt': has no extension of a format that Hone writes: ONNX (.onnx)"));
  EXPECT_THAT(error_of([] { export_model(Graph(), "no/such/folder/model.onnx"); }), HasSubstr("cannot write the file"));
}

TEST(Export, LargeModelsKeepTheirWeightsInASecondFile) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[2, 64]
    const %w: f32[64, 33] = random(1)
    const %v: f32[33, 64] = random(2)
    const %small: f32[3] = [1, 2, 3]
    %h = MatMul(%x, %w) "h"
    %y = MatMul(%h, %v) "y"
    output "y" = %y
    output "small" = %small
  })");
  OnnxFolder folder;
  export_model(graph, folder / "model.onnx", {.max_file_bytes = 4096});
  EXPECT_LT(fs::file_size(folder / "model.onnx"), 4096u);
  ASSERT_TRUE(fs::exists(folder / "model.onnx.data"));
  Graph back = import_model(folder / "model.onnx");
  expect_same(graph, back);
  EXPECT_EQ(back.find_value("w")->constant().owner(), back.find_value("v")->constant().owner());
  // The model can be written over its own files while its weights are still mapped.
  export_model(back, folder / "model.onnx", {.max_file_bytes = 4096});
  expect_same(graph, import_model(folder / "model.onnx"));
  fs::remove(folder / "model.onnx.data");
  EXPECT_THAT(error_of([&] { import_model(folder / "model.onnx"); }),
              HasSubstr("copy the data file into the folder of the model"));
}

TEST(Export, OpsOfManyKinds) {
  expect_round_trip(R"(graph "g" {
    input %x: f32[N, 4, 6]
    const %axes: i64[1] = [1]
    const %ends: i64[1] = [3]
    const %starts: i64[1] = [1]
    const %k: i64[1] = [2]
    %m = ReduceMean(%x, %axes) {keepdims=0} "mean"
    %s = Slice(%x, %starts, %ends, %axes) "slice"
    %t = Transpose(%s) {perm=[0, 2, 1]} "transpose"
    %values, %indices = TopK(%t, %k) "top"
    %c = Cast(%indices) {to=1} "cast"
    %p = Softmax(%m) "softmax"
    %a, %b = Split(%x) {axis=2, num_outputs=2} "split"
    %g = Gelu(%a) {approximate="tanh"} "gelu"
    output "values" = %values
    output "indices" = %c
    output "p" = %p
    output "b" = %b
    output "g" = %g
  })");
}

}  // namespace
}  // namespace hone
