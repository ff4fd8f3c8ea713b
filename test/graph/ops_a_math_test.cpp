#include <gmock/gmock.h>

#include <random>

#include "ops_a_support.hpp"

namespace hone {
namespace {

using namespace testing_ops;
using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;

struct Case {
  const char* type;
  std::vector<float> x;
  std::vector<double> y;
};

const std::vector<Case> unary = {
    {"Neg", {-4, 2}, {4, -2}},
    {"Abs", {-4, 2, -inf}, {4, 2, inf}},
    {"Sqrt", {1, 4, 9, -1}, {1, 2, 3, nan}},
    {"Exp", {-1, 0, 1}, {0.36787944, 1, 2.71828183}},
    {"Log", {1, 10, 0}, {0, 2.30258509, -inf}},
    {"Erf", {-1, 0, 0.5}, {-0.84270079, 0, 0.52049988}},
    {"Reciprocal", {-4, 2, 0}, {-0.25, 0.5, inf}},
    {"Floor", {-1.5, 1.2, 2}, {-2, 1, 2}},
    {"Ceil", {-1.5, 1.2}, {-1, 2}},
    {"Round",
     {0.1f, 0.5, 0.9f, 1.2f, 1.5, 1.8f, 2.3f, 2.5, 2.7f, -1.1f, -1.5, -1.9f, -2.2f, -2.5, -2.8f},
     {0, 0, 1, 1, 2, 2, 2, 2, 3, -1, -2, -2, -2, -2, -3}},
    {"Sign", {-5, 0, 3, nan}, {-1, 0, 1, nan}},
    {"Sin", {-1, 0, 1}, {-0.84147098, 0, 0.84147098}},
    {"Cos", {-1, 0, 1}, {0.54030231, 1, 0.54030231}},
    {"Tan", {-1, 0, 1}, {-1.55740772, 0, 1.55740772}},
    {"Asin", {-0.5, 0, 0.5}, {-0.52359878, 0, 0.52359878}},
    {"Acos", {-0.5, 0, 0.5}, {2.09439510, 1.57079633, 1.04719755}},
    {"Atan", {-1, 0, 1}, {-0.78539816, 0, 0.78539816}},
    {"Sinh", {-1, 0, 1}, {-1.17520119, 0, 1.17520119}},
    {"Cosh", {-1, 0, 1}, {1.54308063, 1, 1.54308063}},
    {"Asinh", {-1, 0, 1}, {-0.88137359, 0, 0.88137359}},
    {"Acosh", {10, 1, 2}, {2.99322285, 0, 1.31695790}},
    {"Atanh", {-0.5, 0, 0.5}, {-0.54930614, 0, 0.54930614}},
};

TEST(Unary, KnownValues) {
  for (const Case& c : unary) {
    SCOPED_TRACE(c.type);
    Tensor x = f32(c.x);
    expect_near(run(c.type, {x}), c.y);
    // Decimal fractions such as 1.2 differ between f32 and f64 by more than f64 can hide; the results do not.
    expect_near(run(c.type, {x.cast(DType::f64)}), c.y, 1e-6);
    expect_near(run(c.type, {x.cast(DType::f16)}), c.y, 3e-3);
    expect_near(run(c.type, {x.cast(DType::bf16)}), c.y, 2e-2);
    EXPECT_EQ(run(c.type, {Tensor(DType::f32, {0, 3})}).dims(), (Dims{0, 3}));
    EXPECT_TRUE(op_of(c.type, {})->has(Trait::elementwise));
  }
}

TEST(Unary, IntegersWrapAround) {
  int64_t low = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(run("Neg", {i64({low, -3})}).to_ints(), (Ints{low, 3}));
  EXPECT_EQ(run("Abs", {ints(DType::i8, {-128, -3, 5})}).to_ints(), (Ints{-128, 3, 5}));
  EXPECT_EQ(run("Sign", {ints(DType::i32, {-9, 0, 9})}).to_ints(), (Ints{-1, 0, 1}));
  EXPECT_EQ(run("Sign", {ints(DType::u8, {0, 9})}).to_ints(), (Ints{0, 1}));
  EXPECT_EQ(run("Abs", {ints(DType::u32, {7})}).to_ints(), (Ints{7}));
}

TEST(Unary, RefusesWrongTypes) {
  EXPECT_THAT(failure("Sqrt", {i64({4})}), HasSubstr("input 0 is i64, expected a floating-point type"));
  EXPECT_THAT(failure("Neg", {bools({1})}), HasSubstr("input 0 is bool, expected a number type"));
}

TEST(Arithmetic, KnownValues) {
  Tensor a = f32({1, 2, 3}), b = f32({3, 2, 1});
  expect_near(run("Add", {a, b}), {4, 4, 4});
  expect_near(run("Sub", {a, b}), {-2, 0, 2});
  expect_near(run("Mul", {a, b}), {3, 4, 3});
  expect_near(run("Div", {a, b}), {1.0 / 3, 1, 3});
  expect_near(run("Div", {f32({1, -1, 0}), f32({0})}), {inf, -inf, nan});
  expect_near(run("Add", {Tensor::scalar(1.0f), Tensor::scalar(2.0f)}), {3});
}

TEST(Arithmetic, IntegersAreDefinedForEveryValue) {
  int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(run("Div", {i64({7, -7, 5, low}), i64({2, 2, 0, -1})}).to_ints(), (Ints{3, -3, 0, low}));
  EXPECT_EQ(run("Add", {i64({high}), i64({1})}).to_ints(), (Ints{low}));
  EXPECT_EQ(run("Mul", {ints(DType::u16, {65535}), ints(DType::u16, {65535})}).to_ints(), (Ints{1}));
  EXPECT_EQ(run("Sub", {ints(DType::u8, {3}), ints(DType::u8, {5})}).to_ints(), (Ints{254}));
  EXPECT_EQ(run("Div", {ints(DType::i8, {-128}), ints(DType::i8, {-1})}).to_ints(), (Ints{-128}));
  EXPECT_EQ(run("Div", {ints(DType::u8, {200}), ints(DType::u8, {255})}).to_ints(), (Ints{0}));
}

TEST(Arithmetic, HalfIsComputedInFloat) {
  // 1 / 3 in f32, rounded once to f16.
  Tensor y = run("Div", {f32({1}).cast(DType::f16), f32({3}).cast(DType::f16)});
  EXPECT_EQ(y.data<Half>()[0].bits, Half(1.0f / 3.0f).bits);
  expect_near(run("Add", {f32({60000}).cast(DType::f16), f32({60000}).cast(DType::f16)}), {inf});
}

TEST(Broadcast, MatchesIndexArithmetic) {
  unsigned seed = 20240917;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    Dims result, a, b;
    auto rank = static_cast<size_t>(random() % 5);
    for (size_t i = 0; i < rank; ++i)
      result.push_back(round % 17 == 0 && i == 0 ? 0 : 1 + static_cast<int64_t>(random() % 4));
    for (size_t i = 0; i < rank; ++i) {
      unsigned kind = random() % 3;
      a.push_back(kind == 1 ? 1 : result[i]);
      b.push_back(kind == 2 ? 1 : result[i]);
    }
    // Leading sizes of 1 may be left out.
    while (!b.empty() && b[0] == 1 && random() % 2) b.erase(b.begin());
    auto dims = broadcast(a, b);
    ASSERT_TRUE(dims);
    Tensor x(DType::i64, a), y(DType::i64, b);
    for (int64_t& value : x.mutable_data<int64_t>()) value = random() % 1000;
    for (int64_t& value : y.mutable_data<int64_t>()) value = random() % 1000;
    Ints wanted;
    int64_t count = element_count(*dims);
    for (int64_t i = 0; i < count; ++i) {
      auto at = [&](const Tensor& tensor) {
        int64_t rest = i, index = 0;
        Dims strides = row_major_strides(tensor.dims());
        for (size_t axis = dims->size(), own = tensor.dims().size(); axis-- > 0;) {
          int64_t position = rest % (*dims)[axis];
          rest /= (*dims)[axis];
          if (own > 0 && tensor.dims()[--own] != 1) index += position * strides[own];
        }
        return tensor.data<int64_t>()[static_cast<size_t>(index)];
      };
      wanted.push_back(at(x) - at(y));
    }
    Tensor got = run("Sub", {x, y});
    EXPECT_EQ(got.dims(), *dims);
    EXPECT_EQ(got.to_ints(), wanted) << to_string(a) << " - " << to_string(b);
  }
}

TEST(Broadcast, NamesWhatIsWrong) {
  EXPECT_THAT(failure("Add", {f32({2, 3}, std::vector<float>(6)), f32({1, 2})}),
              HasSubstr("shapes [2, 3] and [2] of inputs 0 and 1 do not broadcast"));
  EXPECT_THAT(failure("Mul", {f32({1}), i64({1})}),
              HasSubstr("inputs 0 and 1 are f32 and i64, expected one type; insert a Cast"));
  EXPECT_THAT(failure("Add", {f32({1})}), HasSubstr("expected 2"));
}

TEST(ShapeComputation, ArithmeticKeepsWhatIsKnown) {
  Graph graph;
  Value* x = graph.add_input("x", DType::i64, Shape{3});
  x->dims_value = std::vector<Dim>{Dim::named("N"), 4, Dim()};
  auto with = [&](const char* type, Ints numbers, bool flip = false) {
    Value* c = graph.add_constant("c", i64(numbers));
    std::vector<Value*> inputs = {x, c};
    if (flip) std::swap(inputs[0], inputs[1]);
    return *graph.add(make_op("", type), inputs)->output()->dims_value;
  };
  Dim n = Dim::named("N");
  EXPECT_EQ(with("Mul", {1}), (std::vector<Dim>{n, 4, Dim()}));
  EXPECT_EQ(with("Mul", {1, 2, 2}, true), (std::vector<Dim>{n, 8, Dim()}));
  EXPECT_EQ(with("Add", {0, -1, 5}), (std::vector<Dim>{n, 3, Dim()}));
  EXPECT_EQ(with("Sub", {0, 1, 0}), (std::vector<Dim>{n, 3, Dim()}));
  EXPECT_EQ(with("Div", {1, 2, 1}), (std::vector<Dim>{n, 2, Dim()}));
  // 0 - N is not N, 4 - 5 is no size and 4 / 0 is nothing.
  EXPECT_EQ(with("Sub", {0, 5, 0}, true), (std::vector<Dim>{Dim(), 1, Dim()}));
  EXPECT_EQ(with("Sub", {0, 5, 0}), (std::vector<Dim>{n, Dim(), Dim()}));
  EXPECT_EQ(with("Div", {1, 0, 1}), (std::vector<Dim>{n, Dim(), Dim()}));
  Value* c = graph.add_constant("c", Tensor::scalar<int64_t>(2));
  EXPECT_EQ(*graph.add(make_op("", "Mul"), {c, x})->output()->dims_value, (std::vector<Dim>{Dim(), 8, Dim()}));
}

TEST(Pow, MixesTypes) {
  expect_near(run("Pow", {f32({1, 2, 3}), f32({4, 5, 6})}), {1, 32, 729});
  expect_near(run("Pow", {f32({1, -2, 3}), Tensor::scalar(2.0f)}), {1, 4, 9});
  expect_near(run("Pow", {f32({1, 4, 9}), Tensor::scalar(0.5f)}), {1, 2, 3});
  expect_near(run("Pow", {f32({-8}), f32({3})}), {-512});
  expect_near(run("Pow", {f32({1, 2, 3}), i64({4, 5, 6})}), {1, 32, 729});
  expect_near(run("Pow", {f32({1, 2, 3}).cast(DType::f16), ints(DType::u8, {2, 3, 4})}), {1, 8, 81});
  EXPECT_EQ(run("Pow", {i64({1, 2, 3}), f32({4, 5, 6})}).to_ints(), (Ints{1, 32, 729}));
  EXPECT_EQ(run("Pow", {ints(DType::i32, {1, 2, 3}), ints(DType::i32, {4, 5, 6})}).to_ints(), (Ints{1, 32, 729}));
  // Exact above what a double can say; negative exponents truncate.
  EXPECT_EQ(run("Pow", {i64({3, -1, 1, 2, 0, 0}), i64({39, -3, -5, -1, 0, -1})}).to_ints(),
            (Ints{4052555153018976267, -1, 1, 0, 1, 0}));
  EXPECT_EQ(run("Pow", {f32({2, 1}, {2, 3}), f32({1, 2}, {1, 2})}).dims(), (Dims{2, 2}));
  EXPECT_THAT(failure("Pow", {bools({1}), f32({1})}), HasSubstr("input 0 is bool, expected a number type"));
}

TEST(Mod, SignsOfRemainders) {
  Ints a = {-4, 7, 5, 4, -7, 8}, b = {2, -3, 8, -2, 3, 5};
  EXPECT_EQ(run("Mod", {i64(a), i64(b)}).to_ints(), (Ints{0, -2, 5, 0, 2, 3}));
  EXPECT_EQ(run("Mod", {i64(a), i64(b)}, {{"fmod", int64_t{1}}}).to_ints(), (Ints{0, 1, 5, 0, -1, 3}));
  expect_near(run("Mod", {f32({-4.3f, 7.2f, 5.0f, 4.3f, -7.2f, 8.0f}), f32({2.1f, -3.4f, 8.0f, -2.1f, 3.4f, 5.0f})},
                  {{"fmod", int64_t{1}}}),
              {-0.1, 0.4, 5, 0.1, -0.4, 3}, 1e-5);
  EXPECT_EQ(run("Mod", {i64({5, std::numeric_limits<int64_t>::min()}), i64({0, -1})}).to_ints(), (Ints{0, 0}));
  EXPECT_EQ(run("Mod", {ints(DType::u8, {7}), ints(DType::u8, {255})}).to_ints(), (Ints{7}));
}

// Of opset 28: as Python's % of numbers, and zeros have the sign of the divisor.
TEST(Mod, FlooredRemaindersOfFloats) {
  expect_near(run("Mod", {f32({-4.3f, 7.2f, 5, 4.3f, -7.2f, 8}), f32({2.1f, -3.4f, 8, -2.1f, 3.4f, 5})}),
              {2, -3, 5, -2, 3, 3}, 1e-5);
  expect_near(run("Mod", {f32({-1, 1, 1, inf, 1}), f32({inf, -inf, inf, 2, 0})}), {inf, -inf, 1, nan, nan});
  for (DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64}) {
    Tensor zeros = run("Mod", {f32({0, -0.0f, 4, -4}).cast(dtype), f32({-2, 2, 2, -2}).cast(dtype)});
    expect_near(run("Reciprocal", {zeros}), {-inf, inf, inf, -inf});
  }
}

TEST(Variadic, FoldsAnyNumberOfInputs) {
  Tensor a = f32({3, 0, 2}), b = f32({1, 3, 4}), c = f32({2, 6, 6});
  expect_near(run("Max", {a, b, c}), {3, 6, 6});
  expect_near(run("Min", {a, b, c}), {1, 0, 2});
  expect_near(run("Sum", {a, b, c}), {6, 9, 12});
  expect_near(run("Mean", {a, b, c}), {2, 3, 4});
  for (const char* type : {"Max", "Min", "Sum", "Mean"}) {
    expect_near(run(type, {a}), {3, 0, 2});
    expect_near(run(type, {a.cast(DType::f16)}), {3, 0, 2});
  }
  expect_near(run("Mean", {f32({2, 1}, {1, 2}), f32({1, 2}, {3, 5})}), {2, 3, 2.5, 3.5});
  expect_near(run("Max", {f32({nan, 1}), f32({1, nan})}), {nan, nan});
  EXPECT_EQ(run("Max", {ints(DType::i8, {-3, 4}), ints(DType::i8, {0})}).to_ints(), (Ints{0, 4}));
  EXPECT_EQ(run("Min", {ints(DType::u64, {3, 4}), ints(DType::u64, {4, 3})}).to_ints(), (Ints{3, 3}));
  // 2048 + 1 + 1 is 2050 when only the result is rounded to f16, and 2048 otherwise.
  expect_near(run("Sum", {f32({2048}).cast(DType::f16), f32({1}).cast(DType::f16), f32({1}).cast(DType::f16)}), {2050},
              0);
  EXPECT_THAT(failure("Sum", {i64({1}), i64({1})}), HasSubstr("expected a floating-point type"));
  EXPECT_THAT(failure("Max", {a, b, f32({1, 2})}), HasSubstr("of inputs 0 and 2 do not broadcast"));
  EXPECT_THAT(failure("Max", {}), HasSubstr("expected at least 1"));
}

TEST(Bits, KnownValues) {
  Attributes left = {{"direction", std::string("LEFT")}}, right = {{"direction", std::string("RIGHT")}};
  for (DType dtype : {DType::u8, DType::u16, DType::u32, DType::u64}) {
    EXPECT_EQ(run("BitShift", {ints(dtype, {16, 4, 1}), ints(dtype, {1, 2, 3})}, right).to_ints(), (Ints{8, 1, 0}));
    EXPECT_EQ(run("BitShift", {ints(dtype, {16, 4, 1}), ints(dtype, {1, 2, 200})}, left).to_ints(), (Ints{32, 16, 0}));
  }
  EXPECT_EQ(run("BitShift", {ints(DType::u8, {255}), ints(DType::u8, {4})}, left).to_ints(), (Ints{240}));
  EXPECT_THAT(failure("BitShift", {ints(DType::u8, {1}), ints(DType::u8, {1})}),
              HasSubstr("expected 'LEFT' or 'RIGHT'"));
  EXPECT_THAT(failure("BitShift", {i64({1}), i64({1})}, left), HasSubstr("expected an unsigned integer type"));
  EXPECT_EQ(run("BitwiseAnd", {i64({12, -1}), i64({10})}).to_ints(), (Ints{8, 10}));
  EXPECT_EQ(run("BitwiseOr", {ints(DType::u8, {12}), ints(DType::u8, {3})}).to_ints(), (Ints{15}));
  EXPECT_EQ(run("BitwiseXor", {ints(DType::i16, {12}), ints(DType::i16, {10})}).to_ints(), (Ints{6}));
  EXPECT_EQ(run("BitwiseNot", {ints(DType::u8, {0, 15})}).to_ints(), (Ints{255, 240}));
  EXPECT_THAT(failure("BitwiseNot", {bools({1})}), HasSubstr("expected an integer type"));
}

TEST(CumSum, DirectionsAndAxes) {
  Tensor x = f32({1, 2, 3, 4, 5}), axis = Tensor::scalar<int64_t>(0);
  Attributes exclusive = {{"exclusive", int64_t{1}}}, reverse = {{"reverse", int64_t{1}}};
  Attributes both = {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}};
  expect_near(run("CumSum", {x, axis}), {1, 3, 6, 10, 15});
  expect_near(run("CumSum", {x, axis}, exclusive), {0, 1, 3, 6, 10});
  expect_near(run("CumSum", {x, axis}, reverse), {15, 14, 12, 9, 5});
  expect_near(run("CumSum", {x, axis}, both), {14, 12, 9, 5, 0});
  Tensor m = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_near(run("CumSum", {m, axis}), {1, 2, 3, 5, 7, 9});
  expect_near(run("CumSum", {m, Tensor::scalar<int64_t>(-1)}), {1, 3, 6, 4, 9, 15});
  expect_near(run("CumSum", {m, Tensor::scalar<int32_t>(1)}), {1, 3, 6, 4, 9, 15});
  EXPECT_EQ(run("CumSum", {ints(DType::i32, {1, -2, 3}), axis}).to_ints(), (Ints{1, -1, 2}));
  EXPECT_EQ(run("CumSum", {Tensor(DType::f32, {0}), axis}).dims(), (Dims{0}));
  EXPECT_THAT(failure("CumSum", {m, Tensor::scalar<int64_t>(2)}), HasSubstr("axis is 2, expected -2 to 1"));
}

TEST(CumProd, DirectionsAndAxes) {
  Tensor x = f32({1, 2, 3, 4, 5}), axis = Tensor::scalar<int64_t>(0);
  Attributes exclusive = {{"exclusive", int64_t{1}}}, reverse = {{"reverse", int64_t{1}}};
  Attributes both = {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}};
  expect_near(run("CumProd", {x, axis}), {1, 2, 6, 24, 120});
  expect_near(run("CumProd", {x, axis}, exclusive), {1, 1, 2, 6, 24});
  expect_near(run("CumProd", {x, axis}, reverse), {120, 120, 60, 20, 5});
  expect_near(run("CumProd", {x, axis}, both), {120, 60, 20, 5, 1});
  expect_near(run("CumProd", {f32({2, 2}, {1, 2, 3, 4}), Tensor::scalar<int32_t>(-1)}), {1, 2, 3, 12});
  EXPECT_EQ(run("CumProd", {ints(DType::i32, {2, -2, 3}), axis}).to_ints(), (Ints{2, -4, -12}));
}

TEST(BitCast, ReadsTheSameBits) {
  Attributes as_bits = {{"to", static_cast<int64_t>(DType::i32)}},
             as_float = {{"to", static_cast<int64_t>(DType::f32)}};
  EXPECT_EQ(run("BitCast", {f32({1, -2})}, as_bits).to_ints(), (Ints{0x3f800000, -0x40000000}));
  expect_near(run("BitCast", {ints(DType::i32, {0x3f800000})}, as_float), {1});
  EXPECT_THAT(failure("BitCast", {i64({1})}, as_float), HasSubstr("not as wide"));
}

Attributes equation(const char* text) { return {{"equation", std::string(text)}}; }

TEST(Einsum, KnownValues) {
  Tensor a = f32({2, 3}, {1, 2, 3, 4, 5, 6}), b = f32({3, 2}, {1, 0, 0, 1, 1, 1}), v = f32({1, 2, 3});
  expect_near(run("Einsum", {a, b}, equation("ij,jk->ik")), {4, 5, 10, 11});
  expect_near(run("Einsum", {a, b}, equation("ij, jk")), {4, 5, 10, 11});
  expect_near(run("Einsum", {a}, equation("ij->ji")), {1, 4, 2, 5, 3, 6});
  expect_near(run("Einsum", {a}, equation("ji")), {1, 4, 2, 5, 3, 6});
  expect_near(run("Einsum", {a}, equation("ij->i")), {6, 15});
  expect_near(run("Einsum", {v, v}, equation("i,i")), {14});
  expect_near(run("Einsum", {f32({2, 2}, {1, 2, 3, 4})}, equation("ii->i")), {1, 4});
  expect_near(run("Einsum", {f32({2, 2}, {1, 2, 3, 4})}, equation("ii")), {5});
  expect_near(run("Einsum", {f32({1, 2}), v}, equation("a,b->ba")), {1, 2, 2, 4, 3, 6});
  expect_near(run("Einsum", {a, b, f32({2, 2}, {1, 2, 3, 4})}, equation("ij,jk,kl->il")), {19, 28, 43, 64});
  EXPECT_EQ(run("Einsum", {i64({1, 2}), i64({3, 4})}, equation("i,i->")).to_ints(), (Ints{11}));
  expect_near(run("Einsum", {a.cast(DType::f16), b.cast(DType::f16)}, equation("ij,jk->ik")), {4, 5, 10, 11});
  expect_near(run("Einsum", {Tensor(DType::f32, {2, 0}), Tensor(DType::f32, {0, 1})}, equation("ij,jk->ik")), {0, 0});
}

TEST(Einsum, EllipsesBroadcast) {
  std::vector<float> counting;
  for (int i = 0; i < 12; ++i) counting.push_back(static_cast<float>(i));
  Tensor batch = f32({2, 2, 3}, counting), matrix = f32({3, 1}, {1, 1, 1});
  Tensor y = run("Einsum", {batch, matrix}, equation("...ij,...jk->...ik"));
  EXPECT_EQ(y.dims(), (Dims{2, 2, 1}));
  expect_near(y, {3, 12, 21, 30});
  EXPECT_EQ(run("Einsum", {batch}, equation("i...->...i")).dims(), (Dims{2, 3, 2}));
  EXPECT_EQ(run("Einsum", {batch, f32({2, 1, 3}, {1, 1, 1, 2, 2, 2})}, equation("...i,...i")).dims(), (Dims{2, 2}));
  expect_near(run("Einsum", {batch, f32({2, 1, 3}, {1, 1, 1, 2, 2, 2})}, equation("...i,...i->...")), {3, 12, 42, 60});
}

TEST(Einsum, NamesWhatIsWrong) {
  Tensor a = f32({2, 3}, std::vector<float>(6)), b = f32({2, 2}, std::vector<float>(4));
  EXPECT_THAT(failure("Einsum", {a}, equation("i")), HasSubstr("equation 'i' names 1 axes of input 0, which has 2"));
  EXPECT_THAT(failure("Einsum", {a}, equation("ij,jk")), HasSubstr("has 2 terms, but there are 1 inputs"));
  EXPECT_THAT(failure("Einsum", {a, b}, equation("ij,jk")), HasSubstr("axis 0 of input 1 is 2, expected 3"));
  EXPECT_THAT(failure("Einsum", {a}, equation("ij->k")), HasSubstr("has output 'k', which no input names"));
  EXPECT_THAT(failure("Einsum", {a}, equation("ij->ii")), HasSubstr("names output 'i' twice"));
  EXPECT_THAT(failure("Einsum", {a}, equation("i$")), HasSubstr("has '$', expected letters"));
  EXPECT_THAT(failure("Einsum", {a}, equation("......")), HasSubstr("two ellipses"));
  EXPECT_THAT(failure("Einsum", {a}, equation("...i->i")), HasSubstr("has no '...' in its output"));
  EXPECT_THAT(failure("Einsum", {a}, equation("ij->i->j")), HasSubstr("has '-'"));
  EXPECT_THAT(failure("Einsum", {a}, {}), HasSubstr("names 0 axes"));
}

}  // namespace
}  // namespace hone
