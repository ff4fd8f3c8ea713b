#include "ops_c_support.hpp"

// Expected numbers come from the equations of the ONNX specification, evaluated in NumPy for one hidden unit.
namespace hone::testing_ops {
namespace {

Tensor steps() { return f32({2, 1, 1}, {1, 2}); }
const Attributes forward{{"hidden_size", int64_t{1}}};

TEST(OpsRecurrent, RnnBothWays) {
  std::vector<Tensor> inputs{steps(), f32({1, 1, 1}, {0.5f}), f32({1, 1, 1}, {0.25f}), f32({1, 2}, {0.1f, 0.2f})};
  expect_near(run("RNN", inputs, forward), {0.66403677, 0.89881343});
  expect_near(run("RNN", inputs, {{"direction", std::string("reverse")}}), {0.76799891, 0.86172316});
  inputs = {steps(), f32({2, 1, 1}, {0.5f, 0.5f}), f32({2, 1, 1}, {0.25f, 0.25f}),
            f32({2, 2}, {0.1f, 0.2f, 0.1f, 0.2f})};
  std::vector<Tensor> both = run_outputs("RNN", inputs, {{"direction", std::string("bidirectional")}}, 2);
  EXPECT_EQ(both[0].dims(), (Dims{2, 2, 1, 1}));
  expect_near(both[0], {0.66403677, 0.76799891, 0.89881343, 0.86172316});
  expect_near(both[1], {0.89881343, 0.76799891});
}

TEST(OpsRecurrent, RnnEndsEachSequenceWhereItEnds) {
  Tensor x = f32({2, 2, 1}, {1, 1, 2, 2}), w = f32({1, 1, 1}, {1}), r = f32({1, 1, 1}, {1});
  Attributes sums{{"activations", Strings{"Affine"}}};
  std::vector<Tensor> y = run_outputs("RNN", {x, w, r, {}, ints(DType::i32, {2, 1})}, sums, 2);
  expect_near(y[0], {1, 1, 3, 0});
  expect_near(y[1], {3, 1});
  sums["direction"] = std::string("reverse");
  y = run_outputs("RNN", {x, w, r, {}, ints(DType::i32, {2, 1})}, sums, 2);
  expect_near(y[0], {3, 1, 2, 0});
  expect_near(y[1], {3, 1});
}

TEST(OpsRecurrent, RnnBatchFirstIsTheSameTransposed) {
  Tensor w = f32({1, 2, 1}, {1, 2}), r = f32({1, 2, 2}, {0, 0, 0, 0}), h = f32({2, 1, 2}, {5, 6, 7, 8});
  Attributes linear{{"activations", Strings{"Affine"}}, {"layout", int64_t{1}}};
  std::vector<Tensor> y = run_outputs("RNN", {f32({2, 3, 1}, {1, 2, 3, 4, 5, 6}), w, r, {}, {}, h}, linear, 2);
  EXPECT_EQ(y[0].dims(), (Dims{2, 3, 1, 2}));
  expect_near(y[0], {1, 2, 2, 4, 3, 6, 4, 8, 5, 10, 6, 12});
  EXPECT_EQ(y[1].dims(), (Dims{2, 1, 2}));
  expect_near(y[1], {3, 6, 6, 12});
}

TEST(OpsRecurrent, ActivationsTakeTheirNumbers) {
  Tensor x = f32({1, 1, 1}, {-2}), w = f32({1, 1, 1}, {1}), r = f32({1, 1, 1}, {0});
  auto y = [&](const char* name, std::vector<float> alpha, std::vector<float> beta, float clip = 100) {
    Attributes attributes{{"activations", Strings{name}}, {"clip", clip}};
    if (!alpha.empty()) attributes["activation_alpha"] = alpha;
    if (!beta.empty()) attributes["activation_beta"] = beta;
    return run("RNN", {x, w, r}, attributes);
  };
  expect_near(y("LeakyRelu", {}, {}), {-0.02});
  expect_near(y("leakyrelu", {0.5f}, {}), {-1});
  expect_near(y("Affine", {3}, {1}), {-5});
  expect_near(y("Affine", {3}, {1}, 0.5f), {-0.5});
  expect_near(y("HardSigmoid", {}, {}), {0.1});
  expect_near(y("ScaledTanh", {2}, {0.5f}), {2 * std::tanh(-1.0)});
  expect_near(y("Elu", {2}, {}), {2 * std::expm1(-2.0)});
  expect_near(y("Softsign", {}, {}), {-2.0 / 3});
  expect_near(y("Softplus", {}, {}), {std::log1p(std::exp(-2.0))});
  expect_near(y("ThresholdedRelu", {-3}, {}), {-2});
  expect_near(y("Relu", {}, {}), {0});
}

TEST(OpsRecurrent, GruInBothForms) {
  std::vector<Tensor> inputs{steps(),
                             f32({1, 3, 1}, {0.1f, 0.2f, 0.3f}),
                             f32({1, 3, 1}, {0.4f, 0.5f, 0.6f}),
                             f32({1, 6}, {0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f}),
                             {},
                             f32({1, 1, 1}, {0.5f})};
  expect_near(run("GRU", inputs, forward), {0.5088114, 0.58859615});
  expect_near(run("GRU", inputs, {{"linear_before_reset", int64_t{1}}}), {0.50199853, 0.58018644});
}

TEST(OpsRecurrent, LstmWithPeepholesAndCoupledGates) {
  Tensor w = f32({1, 4, 1}, {0.1f, 0.2f, 0.3f, 0.4f}), r = f32({1, 4, 1}, {0.5f, 0.6f, 0.7f, 0.8f});
  std::vector<Tensor> y =
      run_outputs("LSTM", {steps(), w, r, {}, {}, {}, {}, f32({1, 3}, {0.1f, 0.2f, 0.3f})}, forward, 3);
  expect_near(y[0], {0.11018082, 0.31470467});
  expect_near(y[1], {0.31470467});
  expect_near(y[2], {0.538689});
  y = run_outputs("LSTM", {steps(), w, r}, {{"input_forget", int64_t{1}}}, 3);
  expect_near(y[1], {0.27742534});
  expect_near(y[2], {0.48682844});
}

/// The state is no input of a gate: 2 goes into tanh as it is.
TEST(OpsRecurrent, LstmClipsItsGates) {
  Tensor weights = f32({1, 4, 1}, {0, 0, 0, 0}), bias = f32({1, 8}, {0, 0, 0, 9, 0, 0, 0, 0}),
         zero = f32({1, 1, 1}, {0});
  std::vector<Tensor> y =
      run_outputs("LSTM", {zero, weights, weights, bias, {}, zero, f32({1, 1, 1}, {4})}, {{"clip", 0.5f}}, 3);
  double state = 2 + 0.5 * std::tanh(0.5);
  expect_near(y[2], {state});
  expect_near(y[1], {0.5 * std::tanh(state)});
}

TEST(OpsRecurrent, EveryFloatType) {
  for (DType dtype : {DType::f64, DType::f16, DType::bf16}) {
    Tensor y =
        run("RNN", {steps().cast(dtype), f32({1, 1, 1}, {0.5f}).cast(dtype), f32({1, 1, 1}, {0.25f}).cast(dtype)});
    EXPECT_EQ(y.dtype(), dtype);
    expect_near(y, {std::tanh(0.5), std::tanh(1 + 0.25 * std::tanh(0.5))}, 0.01);
  }
}

TEST(OpsRecurrent, SaysWhatDoesNotFit) {
  Tensor w = f32({1, 1, 1}, {1});
  EXPECT_THAT(failure("RNN", {steps(), w, w}, {{"direction", std::string("sideways")}}), HasSubstr("'sideways'"));
  EXPECT_THAT(failure("RNN", {steps(), w, w}, {{"activations", Strings{"Tangent"}}}), HasSubstr("'Tangent'"));
  EXPECT_THAT(failure("RNN", {steps(), w, w}, {{"activations", Strings{"Relu", "Relu", "Relu"}}}),
              HasSubstr("3 activations, expected 1"));
  EXPECT_THAT(failure("RNN", {steps(), w, w}, {{"layout", int64_t{2}}}), HasSubstr("layout is 2"));
  EXPECT_THAT(failure("RNN", {steps(), w, w}, {{"hidden_size", int64_t{3}}}), HasSubstr("w has shape [1, 1, 1]"));
  EXPECT_THAT(failure("LSTM", {steps(), w, w}), HasSubstr("expected [1, 4, 1]"));
  EXPECT_THAT(run_failure("RNN", {steps(), w, w, {}, ints(DType::i32, {3})}), HasSubstr("sequence_lens has 3"));
}

TEST(OpsRecurrent, ReverseSequence) {
  Tensor x = f32({4, 2}, {0, 4, 1, 5, 2, 6, 3, 7});
  expect_near(run("ReverseSequence", {x, i64({3, 1})}), {2, 4, 1, 5, 0, 6, 3, 7});
  expect_near(run("ReverseSequence", {x, i64({1, 2, 1, 2})}, {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}}),
              {0, 4, 5, 1, 2, 6, 7, 3});
  EXPECT_THAT(failure("ReverseSequence", {x, i64({1, 2})}, {{"batch_axis", int64_t{2}}}), HasSubstr("batch_axis 2"));
  EXPECT_THAT(run_failure("ReverseSequence", {x, i64({5, 2})}), HasSubstr("sequence_lens has 5"));
}

}  // namespace
}  // namespace hone::testing_ops
