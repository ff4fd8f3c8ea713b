#include "ops_a_support.hpp"

#include <gmock/gmock.h>

#include "graph/text.hpp"

namespace hone::testing_ops {
namespace {

using Ints = std::vector<int64_t>;
using testing::HasSubstr;

Tensor numbers(Dims dims) {
  Tensor tensor(DType::i32, std::move(dims));
  auto data = tensor.mutable_data<int32_t>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<int32_t>(i);
  return tensor;
}

/// The inferred type of output "y" of a graph in text form.
std::string inferred(const std::string& body) {
  Graph graph = parse_text("graph \"g\" {\n" + body + "\noutput \"y\" = %y\n}");
  return to_string(graph.outputs()[0].value->type);
}

TEST(OpsShape, SymbolicShapeArithmetic) {
  // x.view(x.size(0), -1) as PyTorch exports it.
  EXPECT_EQ(inferred(R"(
    input %x: f32[N, 512, 7, 7]
    const %zero: i64[] = [0]
    const %axes: i64[1] = [0]
    const %rest: i64[1] = [-1]
    %s = Shape(%x)
    %n = Gather(%s, %zero) {axis=0}
    %n1 = Unsqueeze(%n, %axes)
    %target = Concat(%n1, %rest) {axis=0}
    %y = Reshape(%x, %target))"), "f32[N, 25088]");
  EXPECT_EQ(inferred(R"(
    input %x: f32[N, 64, H, 20]
    const %first: i64[1] = [0]
    const %second: i64[1] = [2]
    const %sizes: i64[2] = [5, 6]
    %s = Shape(%x)
    %head = Slice(%s, %first, %second)
    %target = Concat(%head, %sizes) {axis=0}
    %y = Resize(%x, _, _, %target))"), "f32[N, 64, 5, 6]");
  EXPECT_EQ(inferred(R"(
    input %x: f32[N, 3, H, W]
    %s = Shape(%x) {start=2}
    %f = Cast(%s) {to=1}
    %i = Cast(%f) {to=7}
    %y = ConstantOfShape(%i))"), "f32[H, W]");
  EXPECT_EQ(inferred(R"(
    input %x: f32[N, 3, H, W]
    const %k: i64[3] = [0, 3, -1]
    %y = Reshape(%x, %k))"), "f32[N, 3, ?]");
  EXPECT_EQ(inferred(R"(
    input %x: f32[1, 1, W]
    input %z: f32[N, 4, H]
    %s = Shape(%z)
    %y = Expand(%x, %s))"), "f32[N, 4, ?]");
}

TEST(OpsShape, Reshape) {
  Tensor x = numbers({2, 3, 4});
  EXPECT_EQ(run("Reshape", {x, i64({0, -1})}).dims(), (Dims{2, 12}));
  EXPECT_EQ(run("Reshape", {x, i64({4, 0, -1})}).dims(), (Dims{4, 3, 2}));
  EXPECT_EQ(run("Reshape", {numbers({0, 3}), i64({3, 0})}, {{"allowzero", int64_t{1}}}).dims(), (Dims{3, 0}));
  EXPECT_EQ(run("Reshape", {numbers({0, 3}), i64({0, -1})}).dims(), (Dims{0, 0}));
  EXPECT_EQ(run("Reshape", {numbers({1}), i64({})}).dims(), Dims{});
  EXPECT_THAT(failure("Reshape", {x, i64({5, -1})}), HasSubstr("cannot reshape [2, 3, 4] (24 elements) to [5, -1]"));
  EXPECT_THAT(failure("Reshape", {x, i64({-1, -1})}), HasSubstr("more than one -1"));
  EXPECT_THAT(failure("Reshape", {x, i64({-2, 12})}), HasSubstr("below -1"));
  EXPECT_THAT(failure("Reshape", {x, i64({2, 3, 4, 0})}), HasSubstr("the input has rank 3"));
  EXPECT_THAT(failure("Reshape", {x, i64({INT64_MAX, INT64_MAX, -1})}), HasSubstr("cannot reshape"));
  EXPECT_THAT(failure("Reshape", {x, f32({2, 12})}), HasSubstr("input 1 is f32, expected i64; insert a Cast"));
}

TEST(OpsShape, FlattenSqueezeUnsqueeze) {
  Tensor x = numbers({2, 1, 3, 1});
  EXPECT_EQ(run("Flatten", {x}).dims(), (Dims{2, 3}));
  EXPECT_EQ(run("Flatten", {x}, {{"axis", int64_t{0}}}).dims(), (Dims{1, 6}));
  EXPECT_EQ(run("Flatten", {x}, {{"axis", int64_t{4}}}).dims(), (Dims{6, 1}));
  EXPECT_EQ(run("Flatten", {x}, {{"axis", int64_t{-1}}}).dims(), (Dims{6, 1}));
  EXPECT_EQ(run("Squeeze", {x}).dims(), (Dims{2, 3}));
  EXPECT_EQ(run("Squeeze", {x, i64({-1})}).dims(), (Dims{2, 1, 3}));
  EXPECT_EQ(run("Unsqueeze", {numbers({3, 2}), i64({0, -1})}).dims(), (Dims{1, 3, 2, 1}));
  EXPECT_THAT(failure("Squeeze", {x, i64({0})}), HasSubstr("axis 0 has size 2, only a size of 1 can be removed"));
  EXPECT_THAT(failure("Unsqueeze", {x, i64({1, 1})}), HasSubstr("given twice"));
  EXPECT_THAT(failure("Flatten", {x}, {{"axis", int64_t{5}}}), HasSubstr("axis is 5, expected -4 to 3 for rank 4"));
}

TEST(OpsShape, TransposeConcatSplit) {
  EXPECT_EQ(run("Transpose", {numbers({2, 3})}).to_ints(), (Ints{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(run("Transpose", {numbers({1, 2, 3})}, {{"perm", Ints{2, 0, 1}}}).to_ints(), (Ints{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(run("Concat", {numbers({2, 1}), numbers({2, 2})}, {{"axis", int64_t{-1}}}).to_ints(),
            (Ints{0, 0, 1, 1, 2, 3}));
  Tensor words(Dims{2}, std::vector<std::string>{"a", "b"});
  EXPECT_EQ(run("Concat", {words, words}, {{"axis", int64_t{0}}}).strings(),
            (std::vector<std::string>{"a", "b", "a", "b"}));
  EXPECT_THAT(failure("Concat", {numbers({2, 1}), numbers({3, 1})}, {{"axis", int64_t{1}}}),
              HasSubstr("input 1 has shape [3, 1], which cannot follow [2, 1]"));
  EXPECT_THAT(failure("Concat", {numbers({2}), f32({2})}), HasSubstr("inputs 0 and 1 are i32 and f32"));
  EXPECT_THAT(failure("Transpose", {numbers({2, 3})}, {{"perm", Ints{0, 0}}}), HasSubstr("given twice"));
  EXPECT_THAT(failure("Transpose", {numbers({2, 3})}, {{"perm", Ints{0, 1, 2}}}), HasSubstr("perm has 3 entries"));
  Graph graph;
  Value* x = graph.add_constant("x", numbers({7}));
  Node* equal = graph.add(op_of("Split", {{"num_outputs", int64_t{3}}}), {x}, "equal", 3);
  Node* given = graph.add(op_of("Split", {}), {x, graph.add_constant("sizes", i64({2, 0, 5}))}, "given", 3);
  for (Value* value : equal->outputs()) graph.add_output("y", value);
  for (Value* value : given->outputs()) graph.add_output("y", value);
  std::vector<Tensor> parts = evaluate(graph, {});
  EXPECT_EQ(parts[1].to_ints(), (Ints{3, 4, 5}));
  EXPECT_EQ(parts[2].to_ints(), (Ints{6}));
  EXPECT_EQ(parts[4].dims(), (Dims{0}));
  EXPECT_EQ(parts[5].to_ints(), (Ints{2, 3, 4, 5, 6}));
  EXPECT_THAT(failure("Split", {numbers({7}), i64({6})}), HasSubstr("split [6] adds up to 6, the axis has size 7"));
}

TEST(OpsShape, Slice) {
  Tensor x = numbers({2, 4});
  EXPECT_EQ(run("Slice", {x, i64({1, 0}), i64({2, 3}), i64({0, 1}), i64({1, 2})}).to_ints(), (Ints{4, 6}));
  EXPECT_EQ(run("Slice", {x, i64({0, 1}), i64({-1, 1000})}).to_ints(), (Ints{1, 2, 3}));
  EXPECT_EQ(run("Slice", {x, i64({-1}), i64({INT64_MIN}), i64({1}), i64({-1})}).to_ints(),
            (Ints{3, 2, 1, 0, 7, 6, 5, 4}));
  EXPECT_EQ(run("Slice", {x, i64({20, 3}), i64({0, 0}), i64({0, 1}), i64({-1, -2})}).to_ints(), (Ints{7, 5}));
  EXPECT_EQ(run("Slice", {x, i64({3}), i64({3}), i64({1})}).dims(), (Dims{2, 0}));
  EXPECT_EQ(run("Slice", {x, i64({3}), i64({INT64_MIN}), i64({1}), i64({INT64_MIN})}).to_ints(), (Ints{3, 7}));
  EXPECT_EQ(run("Slice", {x, i64({0}), i64({INT64_MAX}), i64({1}), i64({INT64_MAX})}).to_ints(), (Ints{0, 4}));
  EXPECT_THAT(failure("Slice", {x, i64({0}), i64({1}), i64({1}), i64({0})}), HasSubstr("a step is 0"));
  EXPECT_THAT(failure("Slice", {x, i64({0}), i64({1, 2})}), HasSubstr("1 starts, 2 ends"));
  EXPECT_THAT(failure("Slice", {x, i64({0}), i64({1}), i64({2})}), HasSubstr("axis is 2"));
}

TEST(OpsShape, PadModes) {
  Tensor x = f32({1, 3}, {1, 2, 3});
  auto pad = [&](const char* mode, const Ints& pads) {
    return run("Pad", {x, i64(pads)}, {{"mode", std::string(mode)}});
  };
  expect_near(pad("constant", {0, 2, 0, 1}), {0, 0, 1, 2, 3, 0});
  expect_near(pad("reflect", {0, 2, 0, 1}), {3, 2, 1, 2, 3, 2});
  expect_near(pad("reflect", {0, 4, 0, 0}), {1, 2, 3, 2, 1, 2, 3});
  expect_near(pad("edge", {1, 1, 0, 2}), {1, 1, 2, 3, 3, 3, 1, 1, 2, 3, 3, 3});
  expect_near(pad("wrap", {0, 2, 0, 4}), {2, 3, 1, 2, 3, 1, 2, 3, 1});
  expect_near(pad("constant", {0, -1, 1, 1}), {2, 3, 0, 0, 0, 0});
  // Crops first: of [1, 2] and of [2, 3].
  expect_near(pad("wrap", {0, 3, 0, -1}), {2, 1, 2, 1, 2});
  expect_near(pad("wrap", {0, -1, 0, 2}), {2, 3, 2, 3});
  expect_near(pad("reflect", {0, -1, 0, 2}), {2, 3, 2, 3});
  expect_near(pad("edge", {0, -1, 0, 1}), {2, 3, 3});
  expect_near(pad("edge", {0, -3, 0, 2}), {3, 3});
  expect_near(run("Pad", {x, i64({1, 1}), Tensor::scalar(9.0f), i64({-1})}), {9, 1, 2, 3, 9});
  EXPECT_THAT(failure("Pad", {x, i64({1, 1})}), HasSubstr("pads has 2 entries, expected 4"));
  EXPECT_THAT(failure("Pad", {x, i64({0, -2, 0, -2})}), HasSubstr("remove more than the size 3 of axis 1"));
  EXPECT_THAT(failure("Pad", {x, i64({0, 0, 0, INT64_MAX})}), HasSubstr("too large"));
  EXPECT_THAT(failure("Pad", {x, i64({0, 0, 0, 0})}, {{"mode", std::string("mirror")}}), HasSubstr("mode is 'mirror'"));
  EXPECT_THROW(pad("constant", {0, 0, 1 << 30, 1 << 30}), Error);
}

TEST(OpsShape, ExpandTileRangeAndFills) {
  EXPECT_EQ(run("Expand", {numbers({2, 1}), i64({3, 1, 2})}).to_ints(), (Ints{0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(run("Tile", {numbers({1, 2}), i64({2, 2})}).to_ints(), (Ints{0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(
      run("Range", {Tensor::scalar<int64_t>(10), Tensor::scalar<int64_t>(3), Tensor::scalar<int64_t>(-3)}).to_ints(),
      (Ints{10, 7, 4}));
  expect_near(run("Range", {Tensor::scalar(1.0f), Tensor::scalar(2.0f), Tensor::scalar(0.5f)}), {1, 1.5});
  EXPECT_EQ(run("ConstantOfShape", {i64({2})}, {{"value", ints(DType::i8, {7})}}).to_ints(), (Ints{7, 7}));
  EXPECT_EQ(run("ConstantOfShape", {i64({})}).dims(), Dims{});
  EXPECT_EQ(run("Trilu", {numbers({2, 3})}, {{"upper", int64_t{0}}}).to_ints(), (Ints{0, 0, 0, 3, 4, 0}));
  EXPECT_EQ(run("Trilu", {numbers({2, 3}), Tensor::scalar<int64_t>(1)}).to_ints(), (Ints{0, 1, 2, 0, 0, 5}));
  EXPECT_EQ(run("EyeLike", {numbers({2, 3})}, {{"k", int64_t{1}}}).to_ints(), (Ints{0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(run("Size", {numbers({2, 3})}).to_ints(), (Ints{6}));
  EXPECT_THAT(failure("Expand", {numbers({2}), i64({3})}), HasSubstr("[2] does not broadcast with [3]"));
  EXPECT_THAT(failure("Tile", {numbers({2}), i64({1, 1})}), HasSubstr("repeats has 2 entries"));
  EXPECT_THAT(failure("Range", {Tensor::scalar(0.0f), Tensor::scalar(1.0f), Tensor::scalar(0.0f)}),
              HasSubstr("delta is 0"));
  EXPECT_THROW(run("ConstantOfShape", {i64({1 << 30, 1 << 30})}), Error);
  EXPECT_THROW(run("Expand", {numbers({1}), i64({INT64_MAX, INT64_MAX})}), Error);
  EXPECT_THROW(run("Tile", {numbers({2}), i64({INT64_MAX})}), Error);
}

TEST(OpsShape, CastAndConstant) {
  EXPECT_EQ(run("Cast", {f32({-1.7f, 300, nan, 2.5f})}, {{"to", int64_t{2}}}).to_ints(), (Ints{0, 255, 0, 2}));
  EXPECT_EQ(run("Cast", {f32({0, 0.5f, -1})}, {{"to", int64_t{9}}}).to_ints(), (Ints{0, 1, 1}));
  EXPECT_EQ(run("CastLike", {f32({1.5f}), ints(DType::i8, {0})}).dtype(), DType::i8);
  EXPECT_EQ(run("Constant", {}, {{"value_ints", Ints{3, 4}}}).to_ints(), (Ints{3, 4}));
  expect_near(run("Constant", {}, {{"value_float", 0.5f}}), {0.5});
  EXPECT_THAT(failure("Cast", {f32({1})}, {{"to", int64_t{8}}}), HasSubstr("only numbers can be cast"));
  EXPECT_THAT(failure("Cast", {f32({1})}, {{"to", int64_t{17}}}), HasSubstr("'to' is 17"));
  EXPECT_THAT(failure("Cast", {f32({1})}), HasSubstr("not a type that Hone has"));
  EXPECT_THAT(failure("Constant", {}), HasSubstr("has no value"));
}

TEST(OpsIndex, Gathers) {
  Tensor x = numbers({2, 3});
  EXPECT_EQ(run("Gather", {x, i64({2, -3})}, {{"axis", int64_t{1}}}).to_ints(), (Ints{2, 0, 5, 3}));
  EXPECT_EQ(run("Gather", {x, Tensor::scalar<int64_t>(1)}).dims(), (Dims{3}));
  EXPECT_EQ(run("GatherElements", {x, i64({1, 0, -1}).reshaped({1, 3})}).to_ints(), (Ints{3, 1, 5}));
  EXPECT_EQ(run("GatherElements", {x, i64({2, -3}).reshaped({2, 1})}, {{"axis", int64_t{1}}}).to_ints(), (Ints{2, 3}));
  EXPECT_EQ(run("GatherND", {x, i64({1, 2, 0, 0}).reshaped({2, 2})}).to_ints(), (Ints{5, 0}));
  EXPECT_EQ(run("GatherND", {x, i64({2, 0}).reshaped({2, 1})}, {{"batch_dims", int64_t{1}}}).to_ints(), (Ints{2, 3}));
  EXPECT_THAT(failure("Gather", {x, i64({2})}), HasSubstr("index 2 is outside an axis of size 2"));
  EXPECT_THAT(failure("Gather", {x, f32({0})}), HasSubstr("indices are f32"));
  EXPECT_THROW(run("GatherND", {x, i64({5, 5}).reshaped({1, 2})}), Error);
  EXPECT_THROW(run("GatherElements", {x, i64({9, 0, 0}).reshaped({1, 3})}), Error);
}

TEST(OpsIndex, Scatters) {
  Tensor x = f32({1, 2, 3}), updates = f32({10, 20});
  expect_near(run("ScatterElements", {x, i64({2, 0}), updates}), {20, 2, 10});
  expect_near(run("ScatterElements", {x, i64({1, 1}), updates}, {{"reduction", std::string("add")}}), {1, 32, 3});
  expect_near(run("ScatterND", {x, i64({2, -3}).reshaped({2, 1}), updates}), {20, 2, 10});
  expect_near(run("ScatterND", {x, i64({2, 2}).reshaped({2, 1}), updates}, {{"reduction", std::string("max")}}),
              {1, 2, 20});
  Tensor flags = bools({0, 1, 0}), flipped = bools({1, 0});
  EXPECT_TRUE(identical(run("ScatterElements", {flags, i64({0, 1}), flipped}), bools({1, 0, 0})));
  EXPECT_TRUE(identical(run("ScatterND", {flags, i64({0, 1}).reshaped({2, 1}), flipped}), bools({1, 0, 0})));
  EXPECT_THROW(run("ScatterND", {x, i64({3}).reshaped({1, 1}), f32({1})}), Error);
  EXPECT_THAT(failure("ScatterND", {x, i64({0}).reshaped({1, 1}), f32({1})}, {{"reduction", std::string("sub")}}),
              HasSubstr("reduction is 'sub'"));
}

TEST(OpsIndex, OneHotTopKNonZero) {
  expect_near(run("OneHot", {i64({1, -1, 5}), Tensor::scalar<int64_t>(3), f32({0, 2})}), {0, 2, 0, 0, 0, 2, 0, 0, 0});
  expect_near(run("OneHot", {i64({1, 0}), Tensor::scalar<int64_t>(2), f32({0, 1})}, {{"axis", int64_t{0}}}),
              {0, 1, 1, 0});
  Graph graph;
  Value* x = graph.add_constant("x", f32({1, nan, 3, 3}));
  Node* top = graph.add(op_of("TopK", {}), {x, graph.add_constant("k", i64({3}))}, "top", 2);
  Node* set = graph.add(op_of("NonZero", {}), {graph.add_constant("b", numbers({2, 2}))}, "set");
  graph.add_output("values", top->output(0));
  graph.add_output("indices", top->output(1));
  graph.add_output("set", set->output());
  std::vector<Tensor> y = evaluate(graph, {});
  expect_near(y[0], {nan, 3, 3});
  EXPECT_EQ(y[1].to_ints(), (Ints{1, 2, 3}));
  EXPECT_EQ(y[2].to_ints(), (Ints{0, 1, 1, 1, 0, 1}));
  EXPECT_TRUE(set->has(Trait::data_dependent));
  EXPECT_THROW(graph.add(op_of("TopK", {}), {x, graph.add_constant("k", i64({9}))}, "top", 2), Error);
}

TEST(OpsIndex, NonMaxSuppression) {
  Tensor boxes = f32(
      {1, 6, 4}, {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, -0.1f, 1, 0.9f, 0, 10, 1, 11, 0, 10.1f, 1, 11.1f, 0, 100, 1, 101});
  Tensor scores = f32({1, 1, 6}, {0.9f, 0.75f, 0.6f, 0.95f, 0.5f, 0.3f});
  auto select = [&](int64_t most, float threshold) {
    Graph graph = one_node("NonMaxSuppression", {boxes, scores, i64({most}), f32({0.5f}), f32({threshold})}, {}, true);
    return evaluate(graph, {})[0].to_ints();
  };
  EXPECT_EQ(select(3, 0), (Ints{0, 0, 3, 0, 0, 0, 0, 0, 5}));
  EXPECT_EQ(select(3, 0.4f), (Ints{0, 0, 3, 0, 0, 0}));
  EXPECT_EQ(select(0, 0), Ints{});
  boxes = f32({1, 3, 4}, {0, 0, 1, 1, nan, nan, nan, nan, 0, -inf, 1, inf});
  scores = f32({1, 1, 3}, {0.5f, 0.75f, 0.25f});
  EXPECT_EQ(select(3, 0), (Ints{0, 0, 1, 0, 0, 0, 0, 0, 2})) << "no numbers overlap nothing";
  boxes = f32({1, 0, 4}, {});
  scores = f32({1, 1, 0}, {});
  EXPECT_EQ(select(3, 0), Ints{});
}

TEST(OpsTraits, ViewsShareMemory) {
  Tensor x = numbers({2, 1, 3});
  std::map<std::string, Tensor> results{{"Identity", run("Identity", {x})},
                                        {"Flatten", run("Flatten", {x})},
                                        {"Reshape", run("Reshape", {x, i64({3, 2})})},
                                        {"Squeeze", run("Squeeze", {x})},
                                        {"Unsqueeze", run("Unsqueeze", {x, i64({0})})}};
  for (const auto& [type, result] : results) {
    EXPECT_EQ(result.raw(), x.raw()) << type;
    EXPECT_TRUE(make_op("", type)->has(Trait::view)) << type;
    EXPECT_TRUE(make_op("", type)->has(Trait::scale_preserving)) << type;
  }
}

}  // namespace
}  // namespace hone::testing_ops
