#include <gmock/gmock.h>

#include "ops_a_support.hpp"

namespace hone {
namespace {

using namespace testing_ops;
using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;

TEST(Logic, TruthTables) {
  Tensor a = bools({0, 0, 1, 1}), b = bools({0, 1, 0, 1});
  EXPECT_EQ(run("And", {a, b}).to_ints(), (Ints{0, 0, 0, 1}));
  EXPECT_EQ(run("Or", {a, b}).to_ints(), (Ints{0, 1, 1, 1}));
  EXPECT_EQ(run("Xor", {a, b}).to_ints(), (Ints{0, 1, 1, 0}));
  EXPECT_EQ(run("Not", {a}).to_ints(), (Ints{1, 1, 0, 0}));
  EXPECT_EQ(run("And", {a, bools({1})}).to_ints(), (Ints{0, 0, 1, 1}));
  EXPECT_THAT(failure("And", {i64({1}), i64({1})}), HasSubstr("input 0 is i64, expected bool"));
  EXPECT_THAT(failure("Not", {f32({1})}), HasSubstr("input 0 is f32, expected bool"));
}

TEST(Comparison, EveryNumberType) {
  for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::u8, DType::i8, DType::u16, DType::i16,
                      DType::u32, DType::i32, DType::u64, DType::i64}) {
    SCOPED_TRACE(name_of(dtype));
    Tensor a = i64({1, 2, 3}).cast(dtype), b = i64({2}).cast(dtype);
    EXPECT_EQ(run("Equal", {a, b}).to_ints(), (Ints{0, 1, 0}));
    EXPECT_EQ(run("Less", {a, b}).to_ints(), (Ints{1, 0, 0}));
    EXPECT_EQ(run("LessOrEqual", {a, b}).to_ints(), (Ints{1, 1, 0}));
    EXPECT_EQ(run("Greater", {a, b}).to_ints(), (Ints{0, 0, 1}));
    EXPECT_EQ(run("GreaterOrEqual", {a, b}).to_ints(), (Ints{0, 1, 1}));
  }
  EXPECT_EQ(run("Less", {Tensor(DType::f32, {0, 2}), f32({1, 2})}).dims(), (Dims{0, 2}));
}

TEST(Comparison, NothingEqualsNan) {
  for (const char* type : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
    EXPECT_EQ(run(type, {f32({nan, nan}), f32({nan, 1})}).to_ints(), (Ints{0, 0})) << type;
  EXPECT_EQ(run("Equal", {f32({0.0f}), f32({-0.0f})}).to_ints(), (Ints{1}));
}

TEST(Comparison, BoolAndStrings) {
  EXPECT_EQ(run("Equal", {bools({0, 1}), bools({1, 1})}).to_ints(), (Ints{0, 1}));
  Tensor words(Dims{2}, {"cat", "dog"}), word(Dims{1}, {"dog"});
  EXPECT_EQ(run("Equal", {words, word}).to_ints(), (Ints{0, 1}));
  EXPECT_THAT(failure("Equal", {words, f32({1})}), HasSubstr("inputs 0 and 1 are string and f32, expected one type"));
  EXPECT_THAT(failure("Less", {bools({0}), bools({1})}), HasSubstr("input 0 is bool, expected a number type"));
}

TEST(FloatClasses, NanAndInfinity) {
  Tensor x = f32({-1.2f, nan, inf, 2.8f, -inf});
  for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    SCOPED_TRACE(name_of(dtype));
    Tensor y = x.cast(dtype);
    EXPECT_EQ(run("IsNaN", {y}).to_ints(), (Ints{0, 1, 0, 0, 0}));
    EXPECT_EQ(run("IsInf", {y}).to_ints(), (Ints{0, 0, 1, 0, 1}));
    EXPECT_EQ(run("IsInf", {y}, {{"detect_negative", int64_t{0}}}).to_ints(), (Ints{0, 0, 1, 0, 0}));
    EXPECT_EQ(run("IsInf", {y}, {{"detect_positive", int64_t{0}}}).to_ints(), (Ints{0, 0, 0, 0, 1}));
  }
  EXPECT_THAT(failure("IsNaN", {i64({1})}), HasSubstr("expected a floating-point type"));
}

TEST(Where, ThreeWayBroadcast) {
  Tensor condition = bools({1, 0, 1, 1}).reshaped({2, 2});
  expect_near(run("Where", {condition, f32({2, 2}, {1, 2, 3, 4}), f32({2, 2}, {9, 8, 7, 6})}), {1, 8, 3, 4});
  Tensor y = run("Where", {bools({1, 0}).reshaped({2, 1}), f32({1, 3}, {1, 2, 3}), Tensor::scalar(0.0f)});
  EXPECT_EQ(y.dims(), (Dims{2, 3}));
  expect_near(y, {1, 2, 3, 0, 0, 0});
  EXPECT_EQ(run("Where", {bools({0, 1}), i64({1, 2}), i64({3, 4})}).to_ints(), (Ints{3, 2}));
  for (DType dtype : {DType::u8, DType::i16, DType::bf16, DType::f64, DType::boolean})
    EXPECT_TRUE(identical(run("Where", {bools({0, 1}), i64({1, 0}).cast(dtype), i64({0, 1}).cast(dtype)}),
                          i64({0, 0}).cast(dtype)));
  Tensor words(Dims{2}, {"cat", "dog"}), word(Dims{1}, {"fox"});
  EXPECT_EQ(run("Where", {bools({0, 1}), words, word}).strings(), (std::vector<std::string>{"fox", "dog"}));
}

TEST(Where, NamesWhatIsWrong) {
  EXPECT_THAT(failure("Where", {f32({1}), f32({1}), f32({1})}), HasSubstr("input 0 is f32, expected bool"));
  EXPECT_THAT(failure("Where", {bools({1}), f32({1}), i64({1})}),
              HasSubstr("inputs 1 and 2 are f32 and i64, expected one type"));
  EXPECT_THAT(failure("Where", {bools({1, 0}), f32({1}), f32({1, 2, 3})}), HasSubstr("do not broadcast"));
}

}  // namespace
}  // namespace hone
