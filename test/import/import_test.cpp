#include "import/import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "graph/verify.hpp"
#include "import/onnx_builder.hpp"

namespace hone {
namespace {

using namespace testing_tools;
using testing::HasSubstr;
using testing::StartsWith;

std::string import_error(const OnnxBuilder& model) {
  return error_of([&] { model.import(); });
}
std::string content_error(const std::string& name, std::string_view content) {
  OnnxFolder folder;
  auto path = folder.write(name, content);
  return error_of([&] { import_model(path); });
}

/// x -> Relu -> y, for tests about something else.
OnnxBuilder relu_model(int64_t opset = 21) {
  OnnxBuilder model(opset);
  model.input("x", Shape{2}).output("y").node({"Relu", {"x"}, {"y"}});
  return model;
}

// ---- what a good file becomes ----

TEST(Import, SmallModelEvaluates) {
  Graph graph = small_model().import();
  verify(graph);
  EXPECT_EQ(graph.metadata.at("labels"), "cat\ndog");
  ASSERT_EQ(graph.inputs().size(), 1u);
  EXPECT_EQ(to_string(graph.inputs()[0]->type), "f32[N, 4]");
  EXPECT_EQ(graph.outputs()[0].name, "y");
  EXPECT_EQ(to_string(graph.outputs()[0].value->type), "f32[N, 2]");
  EXPECT_NE(graph.find_value("r"), nullptr);
  EXPECT_NE(graph.find_node("mm"), nullptr);
  auto y = evaluate(graph, std::vector<Tensor>{Tensor::of<float>({1, 4}, {1, -1, 0, 0})})[0].to_floats();
  // relu(x) w + b = [1.5, 1.5]
  EXPECT_FLOAT_EQ(y[0], 0.5f);
  EXPECT_FLOAT_EQ(y[1], 0.5f);
}

TEST(Import, ListOfFormats) {
  ASSERT_FALSE(import_formats().empty());
  EXPECT_EQ(import_formats()[0].name, "ONNX");
}

TEST(Import, FormatFollowsFromContentWhenTheExtensionSaysNothing) {
  OnnxFolder folder;
  EXPECT_EQ(import_model(folder.write("model.bin", small_model().bytes())).outputs().size(), 1u);
  EXPECT_THAT(content_error("model.bin", std::string("\xff\x01\x02\x03", 4)),
              HasSubstr("is of no format that Hone reads"));
}

TEST(Import, WeightsAreNotCopied) {
  // Sixteen names of growing length: some raw_data lies at a multiple of 4 bytes.
  OnnxBuilder model = relu_model();
  std::vector<float> values(64, 1.5f);
  for (int i = 0; i < 16; ++i)
    model.initializer(std::string(static_cast<size_t>(i) + 1, 'w'), Tensor::of<float>({64}, values));
  OnnxFolder folder;
  Graph graph = import_model(folder.write("model.onnx", model.bytes()));
  std::set<const void*> owners;
  int shared = 0;
  for (const Value* constant : graph.constants()) {
    EXPECT_EQ(constant->constant().to_floats(), values);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(constant->constant().raw()) % 4, 0u);
    shared += !owners.insert(constant->constant().owner().get()).second;
  }
  EXPECT_GT(shared, 0) << "no initializer refers to the mapped file";
}

TEST(Import, WeightsOutliveTheGraphAndTheFile) {
  Tensor weight;
  {
    OnnxFolder folder;
    Graph graph = import_model(folder.write("model.onnx", small_model().bytes()));
    weight = graph.find_value("w")->constant();
  }
  EXPECT_EQ(weight.to_floats(), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(Import, InputsThatAreInitializersAreConstants) {
  OnnxBuilder model = relu_model();
  model.ir_version = 3;
  model.input("w", Shape{2}).initializer("w", Tensor::of<float>({2}, {1, 2}));
  Graph graph = model.import();
  ASSERT_EQ(graph.inputs().size(), 1u);
  EXPECT_TRUE(graph.find_value("w")->is_constant());
}

TEST(Import, NodesInAnyOrder) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y");
  model.node({"Relu", {"a"}, {"y"}, {}, "second"}).node({"Abs", {"x"}, {"a"}, {}, "first"});
  Graph graph = model.import();
  EXPECT_EQ(graph.nodes().front()->name, "first");
}

TEST(Import, MissingNamesAreMadeUp) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("out");
  model.node({"Relu", {"x"}, {"12"}, {}, ""}).node({"Abs", {"12"}, {"out"}, {}, ""});
  Graph graph = model.import();
  EXPECT_NE(graph.find_node("Relu_12"), nullptr);
  EXPECT_NE(graph.find_node("out"), nullptr);
  EXPECT_EQ(graph.find_value("12")->producer()->name, "Relu_12");
}

TEST(Import, OutputsMayBeInputsOrConstants) {
  OnnxBuilder model;
  model.input("x", Shape{2}).initializer("w", Tensor::of<float>({1}, {3})).output("x").output("w");
  Graph graph = model.import();
  auto results = evaluate(graph, std::vector<Tensor>{Tensor::of<float>({2}, {1, 2})});
  EXPECT_EQ(results[0].to_floats(), (std::vector<float>{1, 2}));
  EXPECT_EQ(results[1].to_floats(), (std::vector<float>{3}));
}

TEST(Import, ConstantNodesInAllForms) {
  OnnxBuilder model = relu_model();
  model.node({"Constant", {}, {"f"}, {{"value_float", 2.5f}}, "f"});
  model.node({"Constant", {}, {"i"}, {{"value_int", int64_t{7}}}, "i"});
  model.node({"Constant", {}, {"fs"}, {{"value_floats", std::vector<float>{1, 2}}}, "fs"});
  model.node({"Constant", {}, {"is"}, {{"value_ints", std::vector<int64_t>{3, 4}}}, "is"});
  model.node({"Constant", {}, {"s"}, {{"value_string", std::string("hi")}}, "s"});
  model.node({"Constant", {}, {"t"}, {{"value", Tensor::of<int32_t>({1}, {9})}}, "t"});
  Graph graph = model.import();
  EXPECT_EQ(graph.find_value("f")->constant().scalar_as_double(), 2.5);
  EXPECT_EQ(to_string(graph.find_value("f")->type), "f32[]");
  EXPECT_EQ(graph.find_value("i")->constant().to_ints(), (std::vector<int64_t>{7}));
  EXPECT_EQ(graph.find_value("fs")->constant().to_floats(), (std::vector<float>{1, 2}));
  EXPECT_EQ(graph.find_value("is")->constant().to_ints(), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(graph.find_value("s")->constant().strings()[0], "hi");
  EXPECT_EQ(to_string(graph.find_value("t")->type), "i32[1]");
}

TEST(Import, ShapesOfOutputsAreInferredNotBelieved) {
  OnnxBuilder model;
  model.input("x", Shape{2, 3}).output("y", {DType::i64, Shape{7, 7}}).node({"Relu", {"x"}, {"y"}});
  EXPECT_EQ(to_string(model.import().outputs()[0].value->type), "f32[2, 3]");
}

TEST(Import, ZeroSizesAndUnknownRanks) {
  OnnxBuilder model;
  model.input("x", Shape{0, 3}).input("any", Shape()).output("y").output("z");
  model.node({"Relu", {"x"}, {"y"}, {}, "a"}).node({"Relu", {"any"}, {"z"}, {}, "b"});
  model.initializer("empty", Tensor(DType::f32, {0}));
  Graph graph = model.import();
  EXPECT_EQ(to_string(graph.inputs()[0]->type), "f32[?, 3]");  // 0 is how some exporters say "any"
  EXPECT_FALSE(graph.inputs()[1]->shape().ranked);
  EXPECT_EQ(graph.find_value("empty")->constant().size(), 0);
}

TEST(Import, UnknownFieldsAreSkipped) {
  OnnxBuilder model = relu_model();
  PbfWriter(model.graph).add_string(4000, "from the future");
  PbfWriter(model.graph).add_fixed64(4001, 7);
  PbfWriter(model.extra).add_double(900, 1.0);
  EXPECT_EQ(model.import().nodes().size(), 1u);
}

TEST(Import, UnknownAttributesWarnOnce) {
  std::vector<std::string> messages;
  set_log_sink([&](LogLevel, const std::string& text) { messages.push_back(text); });
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y");
  model.node({"Relu", {"x"}, {"a"}, {{"speed", int64_t{9}}}, "r1"})
      .node({"Relu", {"a"}, {"y"}, {{"speed", int64_t{9}}}, "r2"});
  model.import();
  set_log_sink([](LogLevel, const std::string&) {});
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0], "relu 'r1': attribute 'speed' is not one that Relu has; it is ignored");
}

TEST(Import, NewerOpsetsWarn) {
  std::vector<std::string> messages;
  set_log_sink([&](LogLevel, const std::string& text) { messages.push_back(text); });
  relu_model(onnx::newest_opset + 1).import();
  set_log_sink([](LogLevel, const std::string&) {});
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_THAT(messages[0], HasSubstr("uses opset " + std::to_string(onnx::newest_opset + 1)));
}

TEST(Import, NamesAreMadeValidText) {
  OnnxBuilder model;
  model.input("x\xff", Shape{2}).output("y").node({"Relu", {"x\xff"}, {"y"}});
  EXPECT_EQ(model.import().inputs()[0]->name, "x\xef\xbf\xbd");
}

// ---- files that are no models ----

TEST(ImportErrors, NotAModelAtAll) {
  EXPECT_THAT(error_of([] { import_model("no/such/file.onnx"); }), HasSubstr("cannot open the file"));
  EXPECT_THAT(content_error("a.onnx", ""), HasSubstr("is not an ONNX file: it is empty"));
  EXPECT_THAT(content_error("a.onnx", "hello world\nmore"),
              HasSubstr("is not an ONNX file: it is text that begins with \"hello world\""));
  EXPECT_THAT(content_error("a.onnx", "version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(content_error("a.onnx", "PK\x03\x04 archive"), HasSubstr("zip archive"));
  EXPECT_THAT(content_error("a.tflite", std::string("\x1c\0\0\0TFL3", 8)), HasSubstr("TensorFlow Lite"));
  EXPECT_THAT(content_error("a.onnx", std::string("\x08\x08", 2)), HasSubstr("it holds no graph"));
  EXPECT_THAT(content_error("a.onnx", std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11)),
              HasSubstr("is damaged"));
}

TEST(ImportErrors, TruncationSaysWhere) {
  std::string bytes = small_model().bytes();
  std::string text = content_error("cut.onnx", bytes.substr(0, 60));
  EXPECT_THAT(text, HasSubstr("cut.onnx': is damaged or truncated: a field of"));
  EXPECT_THAT(text, HasSubstr("download or export the file again"));
}

// ---- graphs that make no sense ----

TEST(ImportErrors, UnknownOps) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y").node({"Relo", {"x"}, {"y"}, {}, "act"});
  std::string text = import_error(model);
  EXPECT_THAT(text, StartsWith("node 'act': op 'Relo' (domain ai.onnx, opset 21) is not one that Hone has"));
  EXPECT_THAT(text, HasSubstr("did you mean Relu"));
  EXPECT_THAT(text, HasSubstr("simplify the model"));
}

TEST(ImportErrors, UnknownDomainsAndAllMissingOps) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y");
  model.node({"FusedThing", {"x"}, {"a"}, {}, "f", "com.microsoft"}).node({"Zzzzz", {"a"}, {"y"}, {}, "z"});
  std::string text = import_error(model);
  EXPECT_THAT(text, HasSubstr("(domain com.microsoft, opset 0)"));
  EXPECT_THAT(text, HasSubstr("ops that are missing in all: Zzzzz (1), com.microsoft.FusedThing (1)"));
}

TEST(ImportErrors, Opsets) {
  EXPECT_THAT(import_error(relu_model(0)), HasSubstr("does not say which opset it uses"));
}

TEST(ImportErrors, Cycle) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y");
  model.node({"Add", {"x", "b"}, {"a"}, {}, "one"})
      .node({"Relu", {"a"}, {"b"}, {}, "two"})
      .node({"Abs", {"x"}, {"y"}, {}, "three"});
  EXPECT_THAT(import_error(model), HasSubstr("has a cycle through add 'one', relu 'two'"));
}

TEST(ImportErrors, ValuesThatNothingProduces) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y").node({"Add", {"x", "ghost"}, {"y"}, {}, "sum"});
  EXPECT_THAT(import_error(model), HasSubstr("add 'sum': uses value 'ghost' that nothing produces"));
  OnnxBuilder other;
  other.input("x", Shape{2}).output("ghost").node({"Relu", {"x"}, {"y"}});
  EXPECT_THAT(import_error(other), HasSubstr("output 'ghost': is a value that nothing produces"));
  OnnxBuilder none;
  none.input("x", Shape{2});
  EXPECT_THAT(import_error(none), HasSubstr("has no outputs"));
}

TEST(ImportErrors, NamesTwice) {
  EXPECT_THAT(import_error(relu_model().node({"Abs", {"x"}, {"y"}, {}, "again"})),
              HasSubstr("abs 'again': produces value 'y', which relu 'n' defines already"));
  EXPECT_THAT(import_error(relu_model().node({"Abs", {"x"}, {"x"}, {}, "again"})),
              HasSubstr("an input or initializer defines already"));
  EXPECT_THAT(import_error(relu_model().input("x", Shape{2})), HasSubstr("input 'x': is defined twice"));
  EXPECT_THAT(import_error(relu_model().output("y")), HasSubstr("output 'y': is listed twice"));
  Tensor one = Tensor::of<float>({1}, {1});
  EXPECT_THAT(import_error(relu_model().initializer("w", one).initializer("w", one)),
              HasSubstr("initializer 'w': is defined twice"));
}

TEST(ImportErrors, Attributes) {
  auto with = [](const Attributes& attributes) {
    OnnxBuilder model;
    return model.input("x", Shape{2}).output("y").node({"LeakyRelu", {"x"}, {"y"}, attributes, "leak"});
  };
  EXPECT_THAT(import_error(with({{"alpha", std::string("big")}})),
              HasSubstr("leakyRelu 'leak': attribute 'alpha' is \"big\", expected a number"));
  OnnxBuilder no_value = with({}), listed = with({}), referring = with({});
  auto node_with = [](const std::string& attribute) {
    OnnxBuilder model;
    return model.input("x", Shape{2}).output("y").node({"LeakyRelu", {"x"}, {"y"}, {}, "leak"}, attribute);
  };
  EXPECT_THAT(import_error(node_with(message([](PbfWriter& out) { out.add_string(onnx::attribute::name, "alpha"); }))),
              HasSubstr("attribute 'alpha' has no value"));
  EXPECT_THAT(import_error(node_with(message([](PbfWriter& out) { out.add_float(onnx::attribute::f, 1); }))),
              HasSubstr("has an attribute without a name"));
  EXPECT_THAT(import_error(node_with(message([](PbfWriter& out) {
                out.add_string(onnx::attribute::name, "alpha");
                out.add_enum(onnx::attribute::type, static_cast<int>(onnx::AttributeType::tensors));
              }))),
              HasSubstr("attribute 'alpha' is a list of tensors"));
  EXPECT_THAT(import_error(node_with(message([](PbfWriter& out) {
                out.add_string(onnx::attribute::name, "alpha");
                out.add_string(onnx::attribute::ref_name, "outer");
              }))),
              HasSubstr("refers to an attribute of a function"));
}

TEST(ImportErrors, InputsAndOutputsOfOps) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y").node({"Add", {"x"}, {"y"}, {}, "sum"});
  EXPECT_THAT(import_error(model), HasSubstr("add 'sum': has 1 inputs, expected 2"));
  OnnxBuilder untyped;
  untyped.input("x", Shape{2}, DType::undefined).output("y").node({"Relu", {"x"}, {"y"}});
  EXPECT_THAT(import_error(untyped), HasSubstr("input 'x': has no element type"));
  OnnxBuilder sequence = relu_model();
  sequence.field(onnx::graph::input, message([](PbfWriter& out) {
                   out.add_string(onnx::value_info::name, "list");
                   out.add_message(onnx::value_info::type, message([](PbfWriter& type) {
                                     type.add_message(onnx::type::sequence, std::string());
                                   }));
                 }));
  EXPECT_THAT(import_error(sequence), HasSubstr("input 'list': is a sequence, map, sparse or optional value"));
}

}  // namespace
}  // namespace hone
