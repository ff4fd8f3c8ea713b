#include "graph/batch.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "graph/text.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

constexpr const char* shuffle = R"(graph "g" {
  input %x: f32[1, 4, 2]
  const %apart: i64[4] = [1, 2, 2, 2]
  const %back: i64[2] = [1, -1]
  %a = Reshape(%x, %apart)
  %t = Transpose(%a) {perm=[0, 2, 1, 3]}
  %y = Reshape(%t, %back)
  output "y" = %y
})";

TEST(SetBatch, ReshapesWithTheOldBatchFollow) {
  Graph graph = parse_text(shuffle);
  Tensor one = Tensor::of<float>({1, 4, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  std::vector<float> expected = evaluate(graph, std::vector<Tensor>{one})[0].to_floats();
  set_batch(graph, 3);
  EXPECT_EQ(to_string(graph.outputs()[0].value->shape()), "[3, 8]");
  Tensor three(DType::f32, {3, 4, 2});
  for (size_t i = 0; i < 24; ++i) three.mutable_data<float>()[i] = static_cast<float>(i % 8);
  std::vector<float> values = evaluate(graph, std::vector<Tensor>{three})[0].to_floats();
  ASSERT_EQ(values.size(), 24u);
  for (size_t i = 0; i < 24; ++i) EXPECT_EQ(values[i], expected[i % 8]);
}

TEST(SetBatch, ANameMeansAnyNumber) {
  Graph graph = parse_text(shuffle);
  set_batch(graph, Dim::named("N"));
  EXPECT_EQ(to_string(graph.inputs()[0]->shape()), "[N, 4, 2]");
  EXPECT_EQ(graph.outputs()[0].value->shape()[0], Dim::named("N"));
}

TEST(SetBatch, NamesTheNodeThatHoldsTheOldBatch) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 4]
    const %token: f32[1, 1] = [0]
    %y = Concat(%x, %token) {axis=1}
    output "y" = %y
  })");
  try {
    set_batch(graph, 2);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("concat 'y'"));
  }
}

TEST(SetBatch, ResizesAndExpandsWithTheOldBatchFollow) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[2, 1, 2, 1]
    const %sizes: i64[4] = [2, 1, 4, 1]
    const %wide: i64[4] = [2, 1, 4, 3]
    %r = Resize(%x, _, _, %sizes) {mode="linear"}
    %y = Expand(%r, %wide)
    output "y" = %y
  })");
  Tensor two = Tensor::of<float>({2, 1, 2, 1}, {0, 1, 2, 4});
  std::vector<float> expected = evaluate(graph, std::vector<Tensor>{two})[0].to_floats();
  set_batch(graph, 3);
  EXPECT_EQ(to_string(graph.outputs()[0].value->shape()), "[3, 1, 4, 3]");
  Tensor three = Tensor::of<float>({3, 1, 2, 1}, {0, 1, 2, 4, 0, 1});
  std::vector<float> values = evaluate(graph, std::vector<Tensor>{three})[0].to_floats();
  ASSERT_EQ(values.size(), 36u);
  for (size_t i = 0; i < 36; ++i) EXPECT_EQ(values[i], expected[i % 24]) << i;
}

TEST(SetBatch, NamesTheNodeThatMakesAResultKeepTheOldBatch) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 4]
    const %zero: i64[1] = [0]
    const %one: i64[1] = [1]
    %first = Slice(%x, %zero, %one, %zero)
    %y = Relu(%first)
    output "y" = %y
  })");
  try {
    set_batch(graph, 2);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("slice 'first'"));
    EXPECT_THAT(error.what(), HasSubstr("stays [1, 4] when its input becomes a batch of 2"));
  }
}

TEST(SetBatch, AResultThatDoesNotDependOnTheInputStays) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 4]
    const %anchors: f32[1, 4] = [1, 2, 3, 4]
    %y = Relu(%x)
    %z = Relu(%anchors)
    output "y" = %y
    output "z" = %z
  })");
  EXPECT_NO_THROW(set_batch(graph, 2));
  EXPECT_EQ(to_string(graph.outputs()[1].value->shape()), "[1, 4]");
}

}  // namespace
}  // namespace hone
