#include <gmock/gmock.h>

#include "graph/ops/activation/leaky_relu.hpp"
#include "ops_a_support.hpp"

namespace hone {
namespace {

using namespace testing_ops;
using ::testing::HasSubstr;

struct Case {
  const char* type;
  Attributes attributes;
  std::vector<float> x;
  std::vector<double> y;
};

// Expected values computed with the formulas of the ONNX operator documentation in double precision.
const std::vector<Case> cases = {
    {"LeakyRelu", {}, {-1, 0, 1}, {-0.01, 0, 1}},
    {"LeakyRelu", {{"alpha", 0.1f}}, {-1, 0, 1}, {-0.1, 0, 1}},
    {"Elu", {{"alpha", 2.0f}}, {-1, 0, 1}, {-1.2642411176571153, 0, 1}},
    {"Selu", {{"alpha", 2.0f}, {"gamma", 3.0f}}, {-1, 0, 1}, {-3.79272353, 0, 3}},
    {"Selu", {}, {-1, 0, 1}, {-1.1113307, 0, 1.0507010}},
    {"Celu", {{"alpha", 2.0f}}, {-1, 0, 1}, {-0.78693868, 0, 1}},
    {"Sigmoid", {}, {-1, 0, 1, -200, 200}, {0.26894142, 0.5, 0.73105858, 0, 1}},
    {"HardSigmoid", {{"alpha", 0.5f}, {"beta", 0.6f}}, {-1, 0, 1}, {0.1, 0.6, 1}},
    {"HardSigmoid", {}, {-5, 1, 5}, {0, 0.7, 1}},
    {"HardSwish", {}, {-4, -1.5, 0, 2, 4}, {0, -0.375, 0, 1.6666667, 4}},
    {"Swish", {}, {-1, 0, 1}, {-0.26894142, 0, 0.73105858}},
    {"Swish", {{"alpha", 2.0f}}, {1}, {0.88079708}},
    {"Tanh", {}, {-1, 0, 1}, {-0.76159416, 0, 0.76159416}},
    {"Softplus", {}, {-1, 0, 1, 200, -200}, {0.31326169, 0.69314718, 1.31326169, 200, 0}},
    {"Softsign", {}, {-1, 0, 1}, {-0.5, 0, 0.5}},
    {"ThresholdedRelu", {{"alpha", 2.0f}}, {-1.5, 0, 1.2, 2, 2.2}, {0, 0, 0, 0, 2.2}},
    {"Gelu", {}, {-1, 0, 1}, {-0.15865526, 0, 0.84134474}},
    {"Gelu", {{"approximate", std::string("tanh")}}, {-1, 0, 1}, {-0.15880801, 0, 0.84119199}},
    {"Mish", {}, {-1, 0, 1, 100}, {-0.30340146, 0, 0.86509839, 100}},
    {"Shrink", {{"lambd", 1.5f}, {"bias", 1.5f}}, {-2, -1, 0, 1, 2}, {-0.5, 0, 0, 0, 0.5}},
    {"Relu", {}, {-1, 0, 1}, {0, 0, 1}},
};

TEST(Activation, KnownValues) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type);
    Tensor x = f32(c.x);
    expect_near(run(c.type, {x}, c.attributes), c.y);
    expect_near(run(c.type, {x.cast(DType::f64)}, c.attributes), c.y, 1e-6);
    expect_near(run(c.type, {x.cast(DType::f16)}, c.attributes), c.y, 2e-3);
    expect_near(run(c.type, {x.cast(DType::bf16)}, c.attributes), c.y, 2e-2);
    EXPECT_EQ(run(c.type, {Tensor(DType::f32, {2, 0})}, c.attributes).dims(), (Dims{2, 0}));
    auto op = op_of(c.type, c.attributes);
    EXPECT_TRUE(op->has(Trait::activation));
    EXPECT_TRUE(same_op(*op, *op->clone()));
  }
}

TEST(Activation, NanStaysNan) {
  for (const char* type :
       {"LeakyRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus", "Gelu", "Mish"})
    expect_near(run(type, {f32({nan})}), {nan});
}

TEST(Activation, RefusesIntegers) {
  EXPECT_THAT(failure("Sigmoid", {i64({1})}),
              HasSubstr("input 0 is i64, expected a floating-point type; insert a Cast"));
  EXPECT_THAT(failure("Gelu", {f32({1})}, {{"approximate", std::string("fast")}}),
              HasSubstr("approximate is 'fast', expected 'none' or 'tanh'"));
  EXPECT_THAT(failure("Celu", {f32({1})}, {{"alpha", 0.0f}}), HasSubstr("alpha is 0"));
}

TEST(Activation, ShrinkOfIntegers) {
  EXPECT_EQ(run("Shrink", {ints(DType::i32, {-3, -1, 0, 1, 3})}, {{"lambd", 1.5f}, {"bias", 1.0f}}).to_ints(),
            (std::vector<int64_t>{-2, 0, 0, 0, 2}));
  // Results below what u8 can say saturate.
  EXPECT_EQ(run("Shrink", {ints(DType::u8, {3, 200})}, {{"lambd", 1.0f}, {"bias", 10.0f}}).to_ints(),
            (std::vector<int64_t>{0, 190}));
}

TEST(PRelu, BroadcastsTheSlope) {
  Tensor x = f32({1, 2, 1, 2}, {-1, 1, -2, 2});
  expect_near(run("PRelu", {x, f32({2, 1, 1}, {0.5f, 0.25f})}), {-0.5, 1, -0.5, 2});
  expect_near(run("PRelu", {x, f32({0.5f})}), {-0.5, 1, -1, 2});
  EXPECT_EQ(run("PRelu", {ints(DType::i32, {-3, 4}), ints(DType::i32, {2})}).to_ints(), (std::vector<int64_t>{-6, 4}));
  EXPECT_THAT(failure("PRelu", {x, f32({2, 2, 1, 1}, {1, 1, 1, 1})}),
              HasSubstr("slope [2, 2, 1, 1] does not broadcast to the shape of x, [1, 2, 1, 2]; "
                        "a slope per channel has the shape [C, 1, 1]"));
  EXPECT_THAT(failure("PRelu", {x, f32({3}, {1, 1, 1})}), HasSubstr("do not broadcast"));
}

TEST(Clip, BoundsAreOptionalInputs) {
  Tensor x = f32({-2, 0, 2});
  expect_near(run("Clip", {x}), {-2, 0, 2});
  expect_near(run("Clip", {x, Tensor::scalar(-1.0f), Tensor::scalar(1.0f)}), {-1, 0, 1});
  expect_near(run("Clip", {x, Tensor(), Tensor::scalar(1.0f)}), {-2, 0, 1});
  expect_near(run("Clip", {x, Tensor::scalar(-1.0f)}), {-1, 0, 2});
  // A lower bound above the upper one: everything becomes the upper one.
  expect_near(run("Clip", {x, Tensor::scalar(2.0f), Tensor::scalar(1.0f)}), {1, 1, 1});
  expect_near(run("Clip", {f32({nan, inf, -inf}), Tensor::scalar(-1.0f), Tensor::scalar(1.0f)}), {nan, 1, -1});
  EXPECT_EQ(run("Clip", {ints(DType::i8, {-128, 3, 127}), ints(DType::i8, {-5}).reshaped({})}).to_ints(),
            (std::vector<int64_t>{-5, 3, 127}));
  EXPECT_EQ(run("Clip", {ints(DType::u64, {1, 9}), Tensor(), ints(DType::u64, {5}).reshaped({})}).to_ints(),
            (std::vector<int64_t>{1, 5}));
  expect_near(run("Clip", {x.cast(DType::f16), Tensor(), Tensor::scalar(1.0f).cast(DType::f16)}), {-2, 0, 1});
}

TEST(Clip, NamesWhatIsWrong) {
  Tensor x = f32({1, 2});
  EXPECT_THAT(failure("Clip", {x, f32({1, 2})}), HasSubstr("min is [2], expected a scalar"));
  EXPECT_THAT(failure("Clip", {x, Tensor(), i64({1}).reshaped({})}), HasSubstr("inputs 0 and 2 are f32 and i64"));
}

TEST(Softmax, AlongAnyAxis) {
  Tensor x = f32({2, 2}, {0, std::log(3.0f), 1000, 1000});
  expect_near(run("Softmax", {x}), {0.25, 0.75, 0.5, 0.5});
  expect_near(run("Softmax", {x}, {{"axis", int64_t{1}}}), {0.25, 0.75, 0.5, 0.5});
  expect_near(run("Softmax", {x}, {{"axis", int64_t{0}}}), {0, 0, 1, 1});
  expect_near(run("Softmax", {x}, {{"axis", int64_t{-2}}}), {0, 0, 1, 1});
  expect_near(run("LogSoftmax", {x}), {std::log(0.25), std::log(0.75), std::log(0.5), std::log(0.5)});
  expect_near(run("LogSoftmax", {f32({-1, 0, 1})}), {-2.4076059, -1.4076059, -0.4076059});
  expect_near(run("Softmax", {f32({-inf, 0})}), {0, 1});
  expect_near(run("Softmax", {x.cast(DType::f64)}), {0.25, 0.75, 0.5, 0.5});
  EXPECT_EQ(run("Softmax", {Tensor(DType::f32, {2, 0})}).dims(), (Dims{2, 0}));
  EXPECT_EQ(run("Softmax", {Tensor(DType::f32, {0, 2})}).dims(), (Dims{0, 2}));
}

TEST(Softmax, InTheMiddleEqualsTransposed) {
  std::vector<float> values;
  for (int i = 0; i < 2 * 3 * 4; ++i) values.push_back(static_cast<float>((i * 7) % 11) - 5);
  Tensor y = run("Softmax", {f32({2, 3, 4}, values)}, {{"axis", int64_t{1}}});
  auto out = y.data<float>();
  for (size_t n = 0; n < 2; ++n)
    for (size_t w = 0; w < 4; ++w) {
      double sum = 0;
      for (size_t c = 0; c < 3; ++c) sum += std::exp(values[(n * 3 + c) * 4 + w]);
      for (size_t c = 0; c < 3; ++c)
        EXPECT_NEAR(out[(n * 3 + c) * 4 + w], std::exp(values[(n * 3 + c) * 4 + w]) / sum, 1e-6);
    }
}

TEST(Softmax, RefusesAxesOutOfRange) {
  EXPECT_THAT(failure("Softmax", {f32({2, 2}, {0, 0, 0, 0})}, {{"axis", int64_t{2}}}),
              HasSubstr("axis is 2, expected -2 to 1 for rank 2"));
  EXPECT_THAT(failure("Hardmax", {Tensor::scalar(1.0f)}), HasSubstr("axis"));
}

TEST(Hardmax, TakesTheFirstOfEquals) {
  expect_near(run("Hardmax", {f32({4, 4}, {3, 0, 1, 2, 2, 5, 1, 0, 0, 1, 3, 2, 0, 1, 2, 3})}),
              {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
  expect_near(run("Hardmax", {f32({3, 3, 3, 1})}), {1, 0, 0, 0});
  expect_near(run("Hardmax", {f32({2, 2}, {1, 5, 4, 2})}, {{"axis", int64_t{0}}}), {0, 1, 1, 0});
}

TEST(Activation, FieldsAreThereForPasses) {
  Graph graph = one_node("LeakyRelu", {f32({1})}, {{"alpha", 0.3f}}, false);
  auto* leaky = graph.node_list()[0]->as<ops::LeakyRelu>();
  ASSERT_NE(leaky, nullptr);
  EXPECT_FLOAT_EQ(leaky->alpha, 0.3f);
}

}  // namespace
}  // namespace hone
