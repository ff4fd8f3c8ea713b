#include <numeric>

#include "ops_c_support.hpp"

// Expected numbers come from numpy.fft, PyTorch's losses or the equation itself.
namespace hone::testing_ops {
namespace {

Tensor ramp(int64_t size) {
  std::vector<float> values(static_cast<size_t>(size));
  std::iota(values.begin(), values.end(), 1.0f);
  return f32({1, size, 1}, values);
}

TEST(OpsSignal, DftOfAnyLength) {
  expect_near(run("DFT", {ramp(5)}), {15, 0, -2.5, 3.4409548, -2.5, 0.8122992, -2.5, -0.8122992, -2.5, -3.4409548});
  expect_near(run("DFT", {ramp(4)}), {10, 0, -2, 2, -2, 0, -2, -2});
  Tensor onesided = run("DFT", {ramp(5)}, {{"onesided", int64_t{1}}});
  EXPECT_EQ(onesided.dims(), (Dims{1, 3, 2}));
  expect_near(onesided, {15, 0, -2.5, 3.4409548, -2.5, 0.8122992});
  expect_near(run("DFT", {ramp(5), Tensor::scalar<int64_t>(4), Tensor::scalar<int64_t>(1)}),
              {10, 0, -2, 2, -2, 0, -2, -2});
}

TEST(OpsSignal, InverseDftUndoesIt) {
  for (int64_t size : {1, 2, 5, 8, 12, 31}) {
    Tensor x = ramp(size), spectrum = run("DFT", {x});
    Tensor back = run("DFT", {spectrum}, {{"inverse", int64_t{1}}});
    std::vector<double> wanted;
    for (float value : x.to_floats()) wanted.insert(wanted.end(), {static_cast<double>(value), 0});
    expect_near(back, wanted, 1e-4);
    Tensor half = run("DFT", {x}, {{"onesided", int64_t{1}}});
    Tensor real =
        run("DFT", {half, Tensor::scalar<int64_t>(size)}, {{"onesided", int64_t{1}}, {"inverse", int64_t{1}}});
    EXPECT_EQ(real.dims(), x.dims());
    for (int64_t i = 0; i < size; ++i)
      EXPECT_NEAR(real.to_floats()[static_cast<size_t>(i)], static_cast<float>(i + 1), 1e-4);
  }
}

TEST(OpsSignal, DftAlongAnotherAxis) {
  Tensor x = f32({2, 2, 1}, {1, 2, 3, 4});
  expect_near(run("DFT", {x, {}, Tensor::scalar<int64_t>(0)}), {4, 0, 6, 0, -2, 0, -2, 0});
  expect_near(run("DFT", {x}), {3, 0, -1, 0, 7, 0, -1, 0});
  EXPECT_THAT(failure("DFT", {x, {}, Tensor::scalar<int64_t>(2)}), HasSubstr("holds real and imaginary part"));
  EXPECT_THAT(failure("DFT", {f32({1, 2, 2}, {1, 2, 3, 4})}, {{"onesided", int64_t{1}}}), HasSubstr("complex input"));
  EXPECT_THAT(failure("DFT", {f32({1, 3}, {1, 2, 3})}), HasSubstr("expected [..., 1]"));
}

TEST(OpsSignal, StftTransformsFrames) {
  Tensor window = f32({1, 0, 1, 0});
  Tensor y = run("STFT", {ramp(6), Tensor::scalar<int64_t>(2), window});
  EXPECT_EQ(y.dims(), (Dims{1, 2, 3, 2}));
  expect_near(y, {4, 0, -2, 0, 4, 0, 8, 0, -2, 0, 8, 0});
  y = run("STFT", {ramp(4), Tensor::scalar<int64_t>(2), {}, Tensor::scalar<int64_t>(2)}, {{"onesided", int64_t{0}}});
  expect_near(y, {3, 0, -1, 0, 7, 0, -1, 0});
  EXPECT_THAT(run_failure("STFT", {ramp(3), Tensor::scalar<int64_t>(2), window}), HasSubstr("frames have 4 elements"));
}

TEST(OpsSignal, Windows) {
  Tensor size = Tensor::scalar<int64_t>(4);
  expect_near(run("HannWindow", {size}), {0, 0.5, 1, 0.5});
  expect_near(run("HannWindow", {Tensor::scalar<int64_t>(3)}, {{"periodic", int64_t{0}}}), {0, 1, 0});
  expect_near(run("HammingWindow", {size}), {4.0 / 46, 25.0 / 46, 1, 25.0 / 46});
  expect_near(run("BlackmanWindow", {size}), {0, 0.34, 1, 0.34});
  expect_near(run("HannWindow", {Tensor::scalar<int32_t>(1)}, {{"periodic", int64_t{0}}}), {1});
  Tensor wide = run("HannWindow", {size}, {{"output_datatype", int64_t{11}}});
  EXPECT_EQ(wide.dtype(), DType::f64);
  EXPECT_THAT(failure("HannWindow", {Tensor::scalar<int64_t>(-1)}), HasSubstr("size is [-1]"));
  EXPECT_THAT(failure("HannWindow", {size}, {{"output_datatype", int64_t{9}}}), HasSubstr("output_datatype is bool"));
}

TEST(OpsSignal, MelWeightsAreTriangles) {
  auto number = [](int64_t value) { return Tensor::scalar<int64_t>(value); };
  Tensor y = run("MelWeightMatrix",
                 {number(2), number(16), number(8192), Tensor::scalar<float>(0), Tensor::scalar<float>(4096)});
  EXPECT_EQ(y.dims(), (Dims{9, 2}));
  // Edges at bins 0, 0, 2, 4: the first triangle peaks at 0, the second at 2.
  EXPECT_EQ(y.to_floats()[0], 1);
  EXPECT_THAT(run_failure("MelWeightMatrix",
                          {number(2), number(16), number(8192), Tensor::scalar<float>(0), Tensor::scalar<float>(1e6f)}),
              HasSubstr("upper_edge_hertz"));
}

TEST(OpsLoss, NegativeLogLikelihood) {
  Tensor x = f32({2, 3}, {-1, -2, -3, -4, -5, -6}), labels = i64({2, 0}), weights = f32({1, 2, 3});
  expect_near(run("NegativeLogLikelihoodLoss", {x, labels}), {3.5});
  expect_near(run("NegativeLogLikelihoodLoss", {x, labels}, {{"reduction", std::string("none")}}), {3, 4});
  expect_near(run("NegativeLogLikelihoodLoss", {x, labels, weights}, {{"reduction", std::string("sum")}}), {13});
  expect_near(run("NegativeLogLikelihoodLoss", {x, labels, weights}), {13.0 / 4});
  expect_near(run("NegativeLogLikelihoodLoss", {x, labels}, {{"ignore_index", int64_t{0}}}), {3});
  EXPECT_THAT(run_failure("NegativeLogLikelihoodLoss", {x, i64({3, 0})}),
              HasSubstr("label 3 is outside the 3 classes"));
  EXPECT_THAT(failure("NegativeLogLikelihoodLoss", {x, i64({1})}), HasSubstr("do not fit"));
  EXPECT_THAT(failure("NegativeLogLikelihoodLoss", {x, labels}, {{"reduction", std::string("max")}}),
              HasSubstr("'max'"));
}

TEST(OpsLoss, SoftmaxCrossEntropy) {
  Tensor x = f32({2, 3}, {1, 2, 3, 1, 1, 1});
  std::vector<Tensor> y =
      run_outputs("SoftmaxCrossEntropyLoss", {x, i64({2, -100})}, {{"ignore_index", int64_t{-100}}}, 2);
  expect_near(y[0], {0.40760596});
  expect_near(y[1], {-2.407606, -1.407606, -0.407606, -1.0986123, -1.0986123, -1.0986123});
  expect_near(run("SoftmaxCrossEntropyLoss", {f32({1, 2, 2}, {0, 0, 0, 0}), Tensor::of<int32_t>({1, 2}, {0, 1})},
                  {{"reduction", std::string("none")}}),
              {0.6931472, 0.6931472});
}

}  // namespace
}  // namespace hone::testing_ops
