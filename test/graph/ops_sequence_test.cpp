#include <algorithm>
#include <cmath>
#include <random>

#include "ops_c_support.hpp"

// Ops that go on where they ended, and ops that put elements in order. Expected numbers: the equations in NumPy.
namespace hone::testing_ops {
namespace {

Attributes rule(const char* name, float scale = 0) {
  return {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{1}}, {"update_rule", std::string(name)},
          {"scale", scale}};
}

TEST(OpsLinearAttention, FollowsEachUpdateRule) {
  // Two heads of q share one of k and v; two steps.
  Tensor q = f32({1, 2, 4}, {1, 2, 0, -1, .5f, 1, 2, 0}), k = f32({1, 2, 2}, {1, -1, .5f, 2}),
         v = f32({1, 2, 1}, {1, 3});
  auto y = run_outputs("LinearAttention", {q, k, v}, rule("linear"), 2);
  expect_near(y[0], {-0.7071068, 0.7071068, 4.419417, 3.535534});
  expect_near(y[1], {2.5, 5});
  Tensor past = f32({1, 1, 2, 1}, {2, 1});
  y = run_outputs("LinearAttention", {q, k, v, past, f32({1, 2, 1}, {-.5f, -1})}, rule("gated"), 2);
  expect_near(y[0], {1.008421, 0.2782248, 4.958459, 3.272688});
  expect_near(y[1], {2.31414, 5.855251});
  Tensor decay = f32({1, 2, 2}, {-.5f, 0, 0, -1}), beta = f32({1, 2, 1}, {.5f, 1}),
         erase = f32({1, 2, 2}, {1, .5f, 2, 1});
  y = run_outputs("LinearAttention", {q, k, v, {}, decay, beta, erase}, rule("gated_delta", 2), 2);
  expect_near(y[0], {-1, 1, 13.03758, 7.735759});
  expect_near(y[1], {1.93394, 5.551819});
}

TEST(OpsLinearAttention, GoesOnFromTheStateOfAnEarlierCall) {
  Tensor q = f32({1, 2, 4}, {1, 2, 0, -1, .5f, 1, 2, 0}), k = f32({1, 2, 2}, {1, -1, .5f, 2}),
         v = f32({1, 2, 1}, {1, 3});
  auto first = run_outputs("LinearAttention",
                           {f32({1, 1, 4}, {1, 2, 0, -1}), f32({1, 1, 2}, {1, -1}), f32({1, 1, 1}, {1})},
                           rule("linear"), 2);
  auto second = run_outputs(
      "LinearAttention", {f32({1, 1, 4}, {.5f, 1, 2, 0}), f32({1, 1, 2}, {.5f, 2}), f32({1, 1, 1}, {3}), first[1]},
      rule("linear"), 2);
  auto whole = run_outputs("LinearAttention", {q, k, v}, rule("linear"), 2);
  expect_near(second[1], {2.5, 5});
  EXPECT_EQ(second[1].to_floats(), whole[1].to_floats());
  expect_near(second[0], {4.419417, 3.535534});
}

TEST(OpsLinearAttention, SaysWhatDoesNotFit) {
  Tensor q = f32({1, 1, 4}, {1, 2, 0, -1}), k = f32({1, 1, 2}, {1, -1}), v = f32({1, 1, 1}, {1});
  EXPECT_THAT(run_failure("LinearAttention", {q, k, v}, rule("gated")), HasSubstr("decay is missing"));
  EXPECT_THAT(run_failure("LinearAttention", {q, k, v, {}, f32({1, 1, 1}, {1})}, rule("linear")),
              HasSubstr("decay is not used with update_rule linear"));
  EXPECT_THAT(run_failure("LinearAttention", {q, k, v}, rule("fast")), HasSubstr("update_rule is 'fast'"));
  EXPECT_THAT(run_failure("LinearAttention", {q, f32({1, 1, 3}, {1, 1, 1}), v}, rule("linear")),
              HasSubstr("k has shape [1, 1, 3], expected [1, 1, 2]"));
  EXPECT_THAT(run_failure("LinearAttention", {q, k, v}), HasSubstr("0 heads of q cannot share 0"));
}

TEST(OpsCausalConv, SeesThePastOnly) {
  Tensor x = f32({1, 1, 3}, {1, 2, 3}), w = f32({1, 1, 3}, {.5f, 1, 2}), b = f32({1}, {1});
  auto y = run_outputs("CausalConvWithState", {x, w, b}, {}, 2);
  expect_near(y[0], {3, 6, 9.5});
  expect_near(y[1], {2, 3});
  Tensor past = f32({1, 1, 2}, {4, 5});
  y = run_outputs("CausalConvWithState", {x, w, b, past}, {{"activation", std::string("silu")}}, 2);
  expect_near(y[0], {9.99954602, 8.49827087, 9.49928896});
  // A kernel longer than the input keeps part of the old state.
  y = run_outputs("CausalConvWithState", {f32({1, 1, 1}, {7}), w, {}, past}, {}, 2);
  expect_near(y[0], {21});
  expect_near(y[1], {5, 7});
  EXPECT_THAT(run_failure("CausalConvWithState", {x, w}, {{"activation", std::string("relu")}}),
              HasSubstr("activation is 'relu'"));
  EXPECT_THAT(run_failure("CausalConvWithState", {x, w, {}, f32({1, 1, 3}, {1, 2, 3})}),
              HasSubstr("past_state has shape [1, 1, 3], expected [1, 1, 2]"));
}

/// Greedy suppression as the specification says it, box against box.
std::vector<int64_t> suppress(const std::vector<float>& boxes, const std::vector<float>& scores, int64_t classes,
                              int64_t most, float overlap, float threshold) {
  std::vector<int64_t> rows;
  auto count = static_cast<int64_t>(boxes.size() / 4);
  for (int64_t c = 0; c < classes; ++c) {
    const float* score = scores.data() + c * count;
    std::vector<int64_t> order, chosen;
    for (int64_t i = 0; i < count; ++i)
      if (score[i] > threshold) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    for (int64_t i : order) {
      const float* a = boxes.data() + i * 4;
      bool keep = static_cast<int64_t>(chosen.size()) < most;
      for (int64_t j : chosen) {
        const float* b = boxes.data() + j * 4;
        float height = std::min(a[2], b[2]) - std::max(a[0], b[0]), width = std::min(a[3], b[3]) - std::max(a[1], b[1]);
        if (height <= 0 || width <= 0) continue;
        float both = width * height;
        keep = keep && !(both / ((a[3] - a[1]) * (a[2] - a[0]) + (b[3] - b[1]) * (b[2] - b[0]) - both) > overlap);
      }
      if (!keep) continue;
      chosen.push_back(i);
      rows.insert(rows.end(), {0, c, i});
    }
  }
  return rows;
}

TEST(OpsNonMaxSuppression, ChoosesAsTheSpecificationSaysAtAnySize) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  auto real = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  for (int round = 0; round < 12; ++round) {
    int64_t count = round < 6 ? 40 : 1500, classes = 1 + round % 3;
    float apart = round % 2 ? 0 : 400;  // boxes of several classes in one suppression
    std::vector<float> boxes, scores;
    for (int64_t i = 0; i < count; ++i) {
      float shift = apart * static_cast<float>(i % 20), y = real(0, 300), x = real(-20, 300);
      boxes.insert(boxes.end(), {y + shift, x + shift, y + shift + real(1, 60), x + shift + real(1, 90)});
    }
    for (int64_t i = 0; i < classes * count; ++i) scores.push_back(std::floor(real(0, 1) * 500) / 500);  // with ties
    int64_t most = round % 4 == 3 ? 25 : 100000;
    float overlap = real(0.1f, 0.7f), threshold = real(0, 0.6f);
    auto y = run_outputs("NonMaxSuppression",
                         {f32({1, count, 4}, boxes), f32({1, classes, count}, scores), i64({most}),
                          f32({1}, {overlap}), f32({1}, {threshold})},
                         {}, 1);
    EXPECT_EQ(y[0].to_ints(), suppress(boxes, scores, classes, most, overlap, threshold)) << "round " << round;
  }
}

TEST(OpsTopK, OrdersTiesZerosAndNotANumber) {
  float nan = std::nanf("");
  Tensor x = f32({6}, {0, -0.0f, nan, 3, -inf, 3});
  auto largest = run_outputs("TopK", {x, i64({6})}, {}, 2);
  EXPECT_EQ(largest[1].to_ints(), (Ints{2, 3, 5, 0, 1, 4}));
  auto smallest = run_outputs("TopK", {x, i64({6})}, {{"largest", int64_t{0}}}, 2);
  EXPECT_EQ(smallest[1].to_ints(), (Ints{4, 0, 1, 3, 5, 2}));
}

TEST(OpsTopK, AgreesWithASortForEveryType) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (DType type : {DType::f32, DType::f16, DType::i8, DType::u8, DType::i32, DType::i64, DType::f64, DType::u16}) {
    for (int64_t count : {int64_t{1}, int64_t{7}, int64_t{500}}) {
      std::vector<float> values;
      for (int i = 0; i < 500; ++i) {
        int number = std::uniform_int_distribution<int>(-60, 60)(random);
        values.push_back(static_cast<float>(type == DType::u8 || type == DType::u16 ? std::abs(number) : number));
      }
      std::vector<int64_t> order(500);
      for (size_t i = 0; i < 500; ++i) order[i] = static_cast<int64_t>(i);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return values[static_cast<size_t>(a)] < values[static_cast<size_t>(b)];
      });
      order.resize(static_cast<size_t>(count));
      auto y = run_outputs("TopK", {f32({500}, values).cast(type), i64({count})}, {{"largest", int64_t{0}}}, 2);
      EXPECT_EQ(y[1].to_ints(), order) << name_of(type);
    }
  }
}

TEST(OpsSlice, BackwardsFromInFrontOfTheAxisTakesItsFirstElement) {
  Tensor x = f32({3}, {1, 2, 3});
  auto slice = [&](int64_t start, int64_t end, int64_t step) {
    return run_outputs("Slice", {x, i64({start}), i64({end}), i64({0}), i64({step})}, {}, 1)[0].to_floats();
  };
  EXPECT_EQ(slice(-8, INT64_MIN, -2), (std::vector<float>{1}));
  EXPECT_EQ(slice(8, INT64_MIN, -2), (std::vector<float>{3, 1}));
  EXPECT_EQ(slice(0, 0, -1), std::vector<float>());
}

TEST(OpsGridSample, CubicHoldsEachElementInsideOfTheBorder) {
  // At 3.5 of [0, 3] the elements are 2, 3 and twice the border.
  Tensor x = f32({1, 1, 1, 4}, {0, 0, 1, 0}), grid = f32({1, 1, 1, 2}, {7.0f / 3 - 1, 0});
  auto y = run_outputs("GridSample", {x, grid},
                       {{"mode", std::string("cubic")}, {"padding_mode", std::string("border")},
                        {"align_corners", int64_t{1}}},
                       1);
  expect_near(y[0], {-0.09375});
}

TEST(OpsResize, OneElementOfPyTorchIsTheFirst) {
  Tensor x = f32({1, 1, 3}, {1, 2, 4}), scales = f32({3}, {1, 1, 0.5f});
  auto y = run_outputs("Resize", {x, {}, scales},
                       {{"mode", std::string("linear")},
                        {"coordinate_transformation_mode", std::string("pytorch_half_pixel")}},
                       1);
  expect_near(y[0], {1});
}

}  // namespace
}  // namespace hone::testing_ops
