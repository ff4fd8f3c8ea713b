#include "graph/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/error.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_text(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Text, RoundTripIsExact) {
  const char* text =
      "graph \"net\" {\n"
      "  metadata \"labels\" = \"cat\\ndog \\\"x\\\\\"\n"
      "  input %x: f32[N, 4]\n"
      "  input %\"odd name\": f32[?, \"2*N\"]\n"
      "  input %any: i64[*]\n"
      "  const %c: f32[4] = [1, 2.5, -0, 1e-40]\n"
      "  %a = Relu(%x) : f32[N, 4]\n"
      "  %\"b b\" = Relu(%a) \"second\" : f32[N, 4]\n"
      "  output \"y\" = %\"b b\"\n"
      "  output \"c\" = %c\n"
      "}\n";
  Graph graph = parse_text(text);
  EXPECT_EQ(to_text(graph), text);
  EXPECT_EQ(graph.metadata.at("labels"), "cat\ndog \"x\\");
  EXPECT_EQ(graph.find_value("odd name")->shape()[1], Dim::named("2*N"));
  EXPECT_FALSE(graph.find_value("any")->shape().ranked);
  EXPECT_EQ(graph.find_node("second")->output()->name, "b b");
}

TEST(Text, ConstantsKeepTheirBits) {
  std::mt19937 random(7);
  Graph graph;
  float infinity = std::numeric_limits<float>::infinity();
  graph.add_constant("special", Tensor::of<float>({6}, {infinity, -infinity, -0.0f, 1e-45f, 3.4028235e38f, 0.1f}));
  graph.add_constant("nan", Tensor::of<float>({1}, {std::numeric_limits<float>::quiet_NaN()}));
  graph.add_constant("i64", Tensor::of<int64_t>({2}, {INT64_MIN, INT64_MAX}));
  graph.add_constant("u64", Tensor::of<uint64_t>({1}, {UINT64_MAX}));
  graph.add_constant("i8", Tensor::of<int8_t>({2, 1}, {-128, 127}));
  graph.add_constant("bool", Tensor::of<bool>({2}, {true, false}));
  graph.add_constant("text", Tensor({2}, {"a\n\x01", ""}));
  graph.add_constant("empty", Tensor(DType::f32, {0, 3}));
  graph.add_constant("scalar", Tensor::scalar<double>(0.1));
  graph.add_constant("same", Tensor::of<int32_t>({9}, std::vector<int32_t>(9, -5)));
  for (DType type : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    Tensor noise(type, {50});
    auto* bytes = static_cast<unsigned char*>(noise.mutable_raw());
    for (size_t i = 0; i < noise.bytes(); ++i) bytes[i] = static_cast<unsigned char>(random());
    Tensor clean = noise.clone();  // without NaNs, whose spare bits text does not keep
    dispatch(type, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_integral_v<T>)
        for (T& value : clean.mutable_data<T>())
          if (static_cast<double>(value) != static_cast<double>(value)) value = T(1.0f);
    });
    graph.add_constant(name_of(type), clean);
  }
  Graph back = parse_text(to_text(graph));
  ASSERT_EQ(back.constants().size(), graph.constants().size());
  for (const Value* constant : graph.constants())
    EXPECT_TRUE(identical(constant->constant(), back.find_value(constant->name)->constant())) << constant->name;
  EXPECT_THAT(to_text(graph), HasSubstr("= fill(-5)"));
}

TEST(Text, NamesThatAreEachOthersDefaults) {
  const char* text =
      "graph \"g\" {\n"
      "  input %x: f32[2]\n"
      "  %b = Relu(%x) \"a\" : f32[2]\n"
      "  %a = Relu(%b) \"b\" : f32[2]\n"
      "  output \"y\" = %a\n"
      "}\n";
  EXPECT_EQ(to_text(parse_text(text)), text);
}

TEST(Text, GeneratedDataAreReproducible) {
  Graph graph = parse_text(R"(graph "g" {
    const %range: i32[4] = range
    const %fill: f16[2, 2] = fill(0.5)   # a comment
    const %random: f32[1000] = random(7)
    const %again: f32[1000] = random(7)
    const %other: f32[1000] = random(8)
    const %bytes: i8[300] = random(1)
  })");
  EXPECT_EQ(graph.find_value("range")->constant().to_ints(), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(graph.find_value("fill")->constant().to_floats(), (std::vector<float>(4, 0.5f)));
  auto values = graph.find_value("random")->constant().to_floats();
  EXPECT_EQ(values, graph.find_value("again")->constant().to_floats());
  EXPECT_NE(values, graph.find_value("other")->constant().to_floats());
  double sum = 0;
  for (float value : values) {
    EXPECT_LE(std::abs(value), 1);
    sum += value;
  }
  EXPECT_LT(std::abs(sum / 1000), 0.1);
  for (int64_t value : graph.find_value("bytes")->constant().to_ints()) EXPECT_LE(std::abs(value), 100);
}

TEST(Text, AttributesAndOutputs) {
  const char* text =
      "graph \"g\" {\n"
      "  input %x: f32[N, 6, 8, 8]\n"
      "  const %w: f32[6, 1, 3, 3] = fill(0.5)\n"
      "  %conv = Conv(%x, %w) {group=6, pads=[1, 1, 1, 1], strides=[2, 2]} : f32[N, 6, 4, 4]\n"
      "  %a, %b = Split(%conv) {axis=1, num_outputs=2} \"split\" : f32[N, 3, 4, 4], f32[N, 3, 4, 4]\n"
      "  %clip = Clip(%a, _, %six) : f32[N, 3, 4, 4]\n"
      "  %swish = hone.Swish(%b) {alpha=1.5} : f32[N, 3, 4, 4]\n"
      "  output \"y\" = %clip\n"
      "  output \"z\" = %swish\n"
      "}\n";
  std::string with_six(text);
  with_six.insert(with_six.find("  const %w"), "  const %six: f32[] = [6]\n");
  EXPECT_EQ(to_text(parse_text(with_six)), with_six);
  Graph graph = parse_text(with_six);
  EXPECT_EQ(graph.find_node("clip")->input(1), nullptr);
  Graph constant = parse_text("graph \"g\" { %c = Constant() {value=i8[2] [1, -2]} output %c }");
  EXPECT_EQ(to_text(parse_text(to_text(constant))), to_text(constant));
  EXPECT_THAT(to_text(constant), HasSubstr("{value=i8[2] [1, -2]}"));
}

TEST(Text, ElidedConstantsAreNotReadBack) {
  Graph graph = parse_text("graph \"g\" { const %w: f32[3, 3] = range const %s: f32[1] = [1] output %w }");
  std::string text = to_text(graph, {.elide_above = 4});
  EXPECT_THAT(text, HasSubstr("const %w: f32[3, 3] = ...\n"));
  EXPECT_THAT(text, HasSubstr("const %s: f32[1] = [1]\n"));
  EXPECT_THAT(error_of(text), HasSubstr("line 3: the data were left out"));
}

TEST(Text, ErrorsSayWhereAndWhat) {
  EXPECT_THAT(error_of(""), HasSubstr("text line 1: expected 'graph', found the end of the text"));
  EXPECT_THAT(error_of("graph \"g\" {\n  imput %x: f32[1]\n}"), HasSubstr("line 2: expected metadata, input"));
  EXPECT_THAT(error_of("graph \"g\" {\n  input %x: f33[1]\n}"),
              HasSubstr("line 2: expected an element type such as f32, found 'f33'"));
  EXPECT_THAT(error_of("graph \"g\" {\n\n  %y = Relu(%x)\n}"), HasSubstr("line 3: value 'x' is not defined before"));
  EXPECT_THAT(error_of("graph \"g\" {\n  input %x: f32[1]\n  %y = Sigmoidd(%x)\n}"),
              HasSubstr("line 3: op 'Sigmoidd' is not known; the nearest is Sigmoid"));
  EXPECT_THAT(error_of("graph \"g\" {\n  input %x: f32[1]\n  %y = Relu(%x) {alpha=1}\n}"),
              HasSubstr("line 3: Relu: has no attribute 'alpha'"));
  EXPECT_THAT(error_of("graph \"g\" {\n  input %x: f32[1]\n  %y = Relu(%x) : f32[2]\n}"),
              HasSubstr("output 'y' is f32[1], the text says f32[2]"));
  EXPECT_THAT(error_of("graph \"g\" {\n  input %x: f32[1]\n  %y = Relu()\n}"),
              HasSubstr("line 3: relu 'y': has 0 inputs"));
  EXPECT_THAT(error_of("graph \"g\" { input %x: f32[1] input %x: f32[1] }"), HasSubstr("value 'x' is defined twice"));
  EXPECT_THAT(error_of("graph \"g\" { const %c: f32[3] = [1, 2] }"), HasSubstr("[3] has 3 elements, found 2"));
  EXPECT_THAT(error_of("graph \"g\" { const %c: i8[1] = [200] }"), HasSubstr("200 does not fit i8"));
  EXPECT_THAT(error_of("graph \"g\" { const %c: f32[N] = [1] }"), HasSubstr("known sizes"));
  EXPECT_THAT(error_of("graph \"g\" { const %c: f32[99999, 9999] = fill(0) }"), HasSubstr("more than 256 MB"));
  EXPECT_THAT(error_of("graph \"g\" { const %c: f32[99999999, 99999999] = fill(0) }"), HasSubstr("too many elements"));
  EXPECT_THAT(error_of("graph \"g\" { input %x: f32[99999999999999999999] }"), HasSubstr("does not fit i64"));
  EXPECT_THAT(error_of("graph \"g\" { input %x: f32[1] "), HasSubstr("expected metadata"));
  EXPECT_THAT(error_of("graph \"g"), HasSubstr("ends inside these quotes"));
  EXPECT_THAT(error_of("graph \"g\" {} x"), HasSubstr("expected the end of the text after '}', found 'x'"));
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "graph \"g\" { %a = Constant() {value=";
  EXPECT_THAT(error_of(deep), HasSubstr("nested too deeply"));
}

// Broken text gives an Error or a graph, never anything else.
TEST(Text, SurvivesMutations) {
  const std::string seeds[] = {
      R"(graph "g" { metadata "k" = "v\x41" input %x: f32[N, 3, 8, 8] const %w: f32[4, 3, 3, 3] = random(3)
         const %b: f32[4] = [1, 2.5, -3e-2, inf] %y = Conv(%x, %w, %b) {pads=[1, 1, 1, 1], strides=[2, 2], group=1}
         "n" : f32[N, 4, 4, 4]
         %p = MaxPool(%y) {kernel_shape=[2, 2], strides=[2, 2]} %q = GlobalAveragePool(%p) %f = Flatten(%q) {axis=1}
         %s = Softmax(%f) {axis=-1} output "o" = %s })",
      R"(graph "g" { input %x: f32[2, 3, 4] const %p: i64[2] = [0, -1] %r = Reshape(%x, %p)
         %t = Transpose(%x) {perm=[2, 0, 1]}
         %c = Concat(%t, %t) {axis=0} %k = Constant() {value=i8[2] [1, -2]} %"a b" = Cast(%c) {to=7}
         const %lo: i64[1] = [0] const %hi: i64[1] = [9223372036854775807] %l = Slice(%x, %lo, %hi, %lo)
         %v, %w = Split(%x) {axis=1}
         %g = Gather(%x, %lo) {axis=1} %m = Mul(%x, %x) output %r output %l })"};
  for (const std::string& text : seeds) parse_text(text);
  unsigned seed = 20260;
  std::mt19937 random(seed);
  const std::string alphabet = "%\"{}[](),=:_.-?*0123456789 \n#abcdefNfill\\\x80";
  int parsed = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string text = seeds[random() % 2];
    int edits = 1 + static_cast<int>(random() % 4);
    for (int edit = 0; edit < edits && !text.empty(); ++edit) {
      size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 6);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
          break;
        default:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    try {
      Graph graph = parse_text(text);
      std::string once = to_text(graph);
      ASSERT_EQ(to_text(parse_text(once)), once) << "seed " << seed << " round " << i;
      ++parsed;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(parsed, 100);
}

}  // namespace
}  // namespace hone
