#include <numeric>

#include "ops_c_support.hpp"

// Expected numbers come from the equations of the ONNX specification, by hand or evaluated in NumPy.
namespace hone::testing_ops {
namespace {

Tensor count_up(Dims dims) {
  std::vector<float> values(static_cast<size_t>(element_count(dims)));
  std::iota(values.begin(), values.end(), 1.0f);
  return f32(std::move(dims), values);
}

// Two queries, three keys of size 2, values of size 1.
Tensor query() { return f32({1, 1, 2, 2}, {1, 0, 0, 1}); }
Tensor key() { return f32({1, 1, 3, 2}, {1, 0, 0, 1, 1, 1}); }
Tensor value() { return f32({1, 1, 3, 1}, {1, 2, 3}); }

TEST(OpsAttention, WithMaskCausalAndSoftcap) {
  expect_near(run("Attention", {query(), key(), value()}), {2, 2.20333628});
  expect_near(run("Attention", {query(), key(), value()}, {{"is_causal", int64_t{1}}}), {1, 1.66976155});
  Tensor mask = f32({2, 3}, {1, 0, 0, 0, 0, -1});
  expect_near(run("Attention", {query(), key(), value(), mask}, {{"softcap", 0.5f}}), {1.60586464, 1.86389636});
  Tensor visible = bools({1, 0, 0, 1, 1, 0}).reshaped({2, 3});
  expect_near(run("Attention", {query(), key(), value(), visible}), {1, 1.66976155});
  // A mask that ends early hides the rest.
  expect_near(run("Attention", {query(), key(), value(), f32({2, 2}, {0, -inf, 0, 0})}), {1, 1.66976155});
  expect_near(run("Attention", {query(), key(), value(), {}, {}, {}, i64({1})}), {1, 1});
}

TEST(OpsAttention, ScoresOfEveryStage) {
  Tensor mask = f32({2, 3}, {1, 0, 0, 0, 0, -1});
  auto scores = [&](int64_t mode, float softcap) {
    return run_outputs("Attention", {query(), key(), value(), mask},
                       {{"softcap", softcap}, {"qk_matmul_output_mode", mode}}, 4)[3];
  };
  double raw = 0.70710678, cap = 0.44419278;
  expect_near(scores(0, 0.5f), {raw, 0, raw, 0, raw, raw});
  expect_near(scores(1, 0.5f), {cap, 0, cap, 0, cap, cap});
  expect_near(scores(2, 0.5f), {cap + 1, 0, cap, 0, cap, cap - 1});
  expect_near(scores(1, 0), {raw + 1, 0, raw, 0, raw, raw - 1});
  Tensor shares = scores(3, 0.5f);
  EXPECT_NEAR(shares.to_floats()[0] + shares.to_floats()[1] + shares.to_floats()[2], 1, 1e-6);
}

TEST(OpsAttention, PastAndHeads) {
  // The last key and value come now, the others are the past: queries see them all up to their own position.
  Tensor past_key = f32({1, 1, 2, 2}, {1, 0, 0, 1}), past_value = f32({1, 1, 2, 1}, {1, 2});
  Tensor now_key = f32({1, 1, 1, 2}, {1, 1}), now_value = f32({1, 1, 1, 1}, {3}), last = f32({1, 1, 1, 2}, {0, 1});
  std::vector<Tensor> y =
      run_outputs("Attention", {last, now_key, now_value, {}, past_key, past_value}, {{"is_causal", int64_t{1}}}, 3);
  expect_near(y[0], {2.20333628});
  expect_near(y[1], {1, 0, 0, 1, 1, 1});
  expect_near(y[2], {1, 2, 3});
  // Two heads of q share one of k and v, and rank 3 is the same with the heads in the last axis.
  Tensor two = f32({1, 2, 1, 2}, {1, 0, 0, 1});
  expect_near(run("Attention", {two, key(), value()}), {2, 2.20333628});
  Tensor flat =
      run("Attention", {f32({1, 1, 4}, {1, 0, 0, 1}), f32({1, 3, 2}, {1, 0, 0, 1, 1, 1}), f32({1, 3, 1}, {1, 2, 3})},
          {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{1}}});
  EXPECT_EQ(flat.dims(), (Dims{1, 1, 2}));
  expect_near(flat, {2, 2.20333628});
}

// Of opset 25: a query at position p sees the keys from p - left to p + right; shares are softmax of the scores
// 0.70710678 (1, 0, 1) of the first query and 0.70710678 (0, 1, 1) of the second.
TEST(OpsAttention, WindowsOfKeys) {
  auto windowed = [](int64_t left, int64_t right, int64_t causal = 0, const Tensor& lengths = {}) {
    return run("Attention", {query(), key(), value(), {}, {}, {}, lengths},
               {{"left_window_size", left}, {"right_window_size", right}, {"is_causal", causal}});
  };
  expect_near(windowed(-1, -1), {2, 2.20333628});
  expect_near(windowed(0, 0), {1, 2});
  expect_near(windowed(-1, 0), {1, 1.66976155});
  expect_near(windowed(0, -1), {2, 2.5});
  expect_near(windowed(0, 1), {1.33023845, 2.5});
  expect_near(windowed(0, 1, 1), {1, 2});
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  expect_near(windowed(most, most), {2, 2.20333628});
  // Two queries at the end of three keys are at the positions 1 and 2.
  expect_near(windowed(0, 0, 0, i64({3})), {2, 3});
  expect_near(windowed(1, 0, 0, i64({3})), {1.33023845, 2.5});
  EXPECT_THAT(failure("Attention", {query(), key(), value()}, {{"left_window_size", int64_t{-2}}}), HasSubstr("-2"));
}

TEST(OpsAttention, QueriesWithoutKeysGetZeros) {
  Tensor mask = bools({0, 0, 0, 1, 1, 0}).reshaped({2, 3});
  std::vector<Tensor> outputs =
      run_outputs("Attention", {query(), key(), value(), mask}, {{"qk_matmul_output_mode", int64_t{3}}}, 4);
  expect_near(outputs[0], {0, 1.66976155});
  expect_near(outputs[3], {0, 0, 0, 0.33023845, 0.66976155, 0});
  expect_near(run("Attention", {query(), key(), value(), f32({2, 3}, {-inf, -inf, -inf, 0, 0, 0})}), {0, 2.20333628});
  // More queries than keys that count: the first is before all of them.
  expect_near(run("Attention", {query(), key(), value(), {}, {}, {}, i64({1})}, {{"is_causal", int64_t{1}}}), {0, 1});
  for (DType dtype : {DType::f16, DType::bf16})
    expect_near(run("Attention", {query().cast(dtype), key().cast(dtype), value().cast(dtype), mask}), {0, 1.67}, 1e-2);
}

TEST(OpsAttention, SaysWhatDoesNotFit) {
  EXPECT_THAT(failure("Attention", {query(), f32({1, 1, 3, 1}, {1, 2, 3}), value()}), HasSubstr("do not fit"));
  EXPECT_THAT(failure("Attention", {f32({1, 1, 4}, {1, 0, 0, 1}), key(), value()}),
              HasSubstr("number of heads is missing"));
  EXPECT_THAT(failure("Attention", {query(), key(), value()}, {{"qk_matmul_output_mode", int64_t{4}}}),
              HasSubstr("is 4"));
  EXPECT_THAT(run_failure("Attention", {query(), key(), value(), f32({5, 3}, std::vector<float>(15, 0))}),
              HasSubstr("does not broadcast"));
}

TEST(OpsAttention, RotaryEmbeddingAndCache) {
  Tensor x = f32({1, 1, 1, 4}, {1, 2, 3, 4}), cos = f32({2, 2}, {1, 1, 0, 0}), sin = f32({2, 2}, {0, 0, 1, 1});
  Tensor second = i64({1}).reshaped({1, 1});
  expect_near(run("RotaryEmbedding", {x, cos, sin, second}), {-3, -4, 1, 2});
  expect_near(run("RotaryEmbedding", {x, cos, sin, second}, {{"interleaved", int64_t{1}}}), {-2, 1, -4, 3});
  Tensor one_cos = f32({1, 1, 1}, {0}), one_sin = f32({1, 1, 1}, {1});
  expect_near(run("RotaryEmbedding", {x, one_cos, one_sin}, {{"rotary_embedding_dim", int64_t{2}}}), {-2, 1, 3, 4});
  EXPECT_THAT(run_failure("RotaryEmbedding", {x, cos, sin, i64({2}).reshaped({1, 1})}), HasSubstr("position 2"));

  Tensor cache = f32({2, 3, 1}, {1, 2, 3, 4, 5, 6}), update = f32({2, 2, 1}, {7, 8, 9, 10});
  expect_near(run("TensorScatter", {cache, update, i64({1, 0})}), {1, 7, 8, 9, 10, 6});
  expect_near(run("TensorScatter", {cache, update, i64({2, 0})}, {{"mode", std::string("circular")}}),
              {8, 2, 7, 9, 10, 6});
  EXPECT_THAT(run_failure("TensorScatter", {cache, update, i64({2, 0})}), HasSubstr("outside the cache"));
}

TEST(OpsNorm, RmsLpAndMeanVariance) {
  expect_near(run("RMSNormalization", {f32({1, 2}, {3, 4}), f32({1, 2})}, {{"epsilon", 0.0f}}),
              {3 / std::sqrt(12.5), 8 / std::sqrt(12.5)});
  expect_near(run("LpNormalization", {f32({2, 2}, {3, 4, 0, 0})}), {0.6, 0.8, 0, 0});
  expect_near(run("LpNormalization", {f32({1, 2}, {-1, 3})}, {{"p", int64_t{1}}}), {-0.25, 0.75});
  expect_near(run("MeanVarianceNormalization", {f32({1, 2, 1, 2}, {1, 3, 10, 10})}), {-1, 1, 0, 0});
  EXPECT_THAT(failure("LpNormalization", {f32({1, 2}, {-1, 3})}, {{"p", int64_t{3}}}), HasSubstr("p is 3"));
}

TEST(OpsNorm, BatchNormalizationOfRankOneHasOneChannel) {
  std::vector<Tensor> inputs{f32({1, 3}), f32({2}), f32({1}), f32({1}), f32({4})};
  // (x - 1) / 2 * 2 + 1
  expect_near(run("BatchNormalization", inputs, {{"epsilon", 0.0f}}), {1, 3});
  // The batch has mean 2 and variance 1; the running ones are halfway between.
  auto trained = run_outputs("BatchNormalization", inputs,
                             {{"epsilon", 0.0f}, {"momentum", 0.5f}, {"training_mode", int64_t{1}}}, 3);
  expect_near(trained[0], {-1, 3});
  expect_near(trained[1], {1.5});
  expect_near(trained[2], {2.5});
}

TEST(OpsNorm, LayerNormalizationStatisticsHaveTheStashType) {
  std::vector<Tensor> inputs{f32({1, 2}, {1, 3}), f32({1, 1})};
  for (DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    auto results = run_outputs("LayerNormalization", inputs,
                               {{"epsilon", 3.0f}, {"stash_type", static_cast<int64_t>(dtype)}}, 3);
    expect_near(results[0], {-0.5, 0.5});  // variance 1 + 3
    EXPECT_EQ(results[0].dtype(), DType::f32);
    EXPECT_EQ(results[1].dtype(), dtype);
    EXPECT_EQ(results[2].dtype(), dtype);
    expect_near(results[1], {2});
    expect_near(results[2], {0.5});
  }
  EXPECT_THAT(failure("LayerNormalization", inputs, {{"stash_type", int64_t{7}}}), HasSubstr("stash_type is 7"));
}

TEST(OpsPool, LpPoolsAndUnpool) {
  Tensor x = f32({1, 1, 4}, {3, -4, 0, 2});
  expect_near(run("LpPool", {x}, {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}}), {5, 2});
  expect_near(run("LpPool", {x}, {{"kernel_shape", Ints{2}}, {"p", int64_t{1}}}), {7, 4, 2});
  expect_near(run("GlobalLpPool", {x}), {std::sqrt(29.0)});
  Tensor pooled = f32({1, 1, 2, 2}, {5, 6, 7, 8}), indices = i64({5, 7, 13, 15}).reshaped({1, 1, 2, 2});
  Attributes window{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  expect_near(run("MaxUnpool", {pooled, indices}, window), {0, 0, 0, 0, 0, 5, 0, 6, 0, 0, 0, 0, 0, 7, 0, 8});
  std::vector<double> five(25, 0);
  five[6] = 5, five[8] = 6, five[16] = 7, five[18] = 8;
  // Indices of the 4x4 that was inferred, and of the 5x5 that was pooled: both occur in files.
  expect_near(run("MaxUnpool", {pooled, indices, i64({1, 1, 5, 5})}, window), five);
  expect_near(run("MaxUnpool", {pooled, i64({6, 8, 16, 18}).reshaped({1, 1, 2, 2}), i64({1, 1, 5, 5})}, window), five);
  EXPECT_THAT(run_failure("MaxUnpool", {pooled, i64({5, 7, 13, 16}).reshaped({1, 1, 2, 2})}, window),
              HasSubstr("index 16"));
}

TEST(OpsPool, UnpoolUndoesPool) {
  Tensor x = count_up({1, 2, 5, 5});
  Attributes window{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  std::vector<Tensor> pooled = run_outputs("MaxPool", {x}, window, 2);
  Tensor y = run("MaxUnpool", {pooled[0], pooled[1], i64({1, 2, 5, 5})}, window);
  for (size_t i = 0; i < 50; ++i) {
    bool kept = i % 5 % 2 == 1 && i % 25 / 5 % 2 == 1;
    EXPECT_EQ(y.to_floats()[i], kept ? static_cast<float>(i + 1) : 0.0f) << i;
  }
}

TEST(OpsPool, MaxRoiPool) {
  Tensor rois = f32({2, 5}, {0, 0, 0, 3, 3, 0, 2, 2, 2, 2});
  Tensor y = run("MaxRoiPool", {count_up({1, 1, 4, 4}), rois}, {{"pooled_shape", Ints{2, 2}}});
  expect_near(y, {6, 8, 14, 16, 11, 11, 11, 11});
  EXPECT_THAT(failure("MaxRoiPool", {count_up({1, 1, 4, 4}), rois}, {{"pooled_shape", Ints{2}}}),
              HasSubstr("pooled_shape"));
  EXPECT_THAT(
      run_failure("MaxRoiPool", {count_up({1, 1, 4, 4}), f32({1, 5}, {1, 0, 0, 1, 1})}, {{"pooled_shape", Ints{1, 1}}}),
      HasSubstr("batch index 1"));
}

TEST(OpsConv, DeformConvIsConvWithoutOffsets) {
  Tensor x = count_up({1, 2, 4, 4}), w = count_up({2, 2, 3, 3}), still = Tensor::zeros(DType::f32, {1, 18, 4, 4});
  Attributes pads{{"pads", Ints{1, 1, 1, 1}}};
  Tensor plain = run("Conv", {x, w, f32({1, 2})}, pads);
  Tensor y = run("DeformConv", {x, w, still, f32({1, 2})}, pads);
  std::vector<double> wanted;
  for (float value : plain.to_floats()) wanted.push_back(static_cast<double>(value));
  expect_near(y, wanted);
}

TEST(OpsConv, DeformConvReadsBetweenPixels) {
  Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4}), w = f32({1, 1, 1, 1}, {1});
  Tensor down = f32({1, 2, 2, 2}, {0.5f, 0.5f, 0.5f, 0.5f, 0, 0, 0, 0});
  expect_near(run("DeformConv", {x, w, down}), {2, 3, 1.5, 2});
  Tensor mask = f32({1, 1, 2, 2}, {1, 0, 2, 1});
  expect_near(run("DeformConv", {x, w, down, {}, mask}), {2, 0, 3, 2});
  EXPECT_THAT(run_failure("DeformConv", {x, w, mask}),
              HasSubstr("offset has shape [1, 1, 2, 2], expected [1, 2, 2, 2]"));
}

TEST(OpsImage, Col2ImSumsWhatOverlaps) {
  Tensor columns = f32({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  expect_near(run("Col2Im", {columns, i64({4}), i64({2})}), {1, 6, 8, 6});
  expect_near(run("Col2Im", {columns, i64({2}), i64({2})}, {{"pads", Ints{1, 1}}}), {6, 8});
  EXPECT_THAT(run_failure("Col2Im", {columns, i64({5}), i64({2})}), HasSubstr("expected [N, C * 2, 4]"));
}

TEST(OpsImage, AffineGridCenterCropPadAndDet) {
  Tensor identity = f32({1, 2, 3}, {1, 0, 0, 0, 1, 0}), size = i64({1, 1, 2, 2});
  expect_near(run("AffineGrid", {identity, size}), {-0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5});
  expect_near(run("AffineGrid", {identity, size}, {{"align_corners", int64_t{1}}}), {-1, -1, 1, -1, -1, 1, 1, 1});
  EXPECT_THAT(failure("AffineGrid", {identity, i64({1, 1, 2})}), HasSubstr("3 entries"));

  Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_near(run("CenterCropPad", {x, i64({1, 5})}), {0, 1, 2, 3, 0});
  expect_near(run("CenterCropPad", {x, i64({2})}, {{"axes", Ints{-1}}}), {1, 2, 4, 5});
  EXPECT_THAT(failure("CenterCropPad", {x, i64({1})}), HasSubstr("1 entries for 2 axes"));

  expect_near(run("Det", {f32({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})}), {-2, -1});
  EXPECT_THAT(failure("Det", {x}), HasSubstr("square matrices"));
}

TEST(OpsDropout, TrainingWithoutRatioKeepsAll) {
  std::vector<Tensor> y =
      run_outputs("Dropout", {f32({1, 2}), Tensor::scalar<float>(0), Tensor::scalar<bool>(true)}, {}, 2);
  expect_near(y[0], {1, 2});
  expect_near(y[1], {1, 1});
  EXPECT_THAT(run_failure("Dropout", {f32({1, 2}), {}, Tensor::scalar<bool>(true)}),
              HasSubstr("training_mode is true"));
}

}  // namespace
}  // namespace hone::testing_ops
