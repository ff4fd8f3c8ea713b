#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "graph/graph.hpp"
#include "quantize/weights.hpp"

namespace hone {

/// AdaRound: Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization". Rounding each weight to
/// the nearest number is not what keeps a layer's result. For each output channel it minimizes
///   E ||f(W x) - f(W~ x)||^2 + lambda sum (1 - |2 h(V) - 1|^beta),   W~ = s clip(floor(W / s) + h(V))
/// (equations 21 to 25) over V with Adam, where h is a stretched sigmoid, f the Relu behind the layer if there is one,
/// and beta goes from 20 to 2, which drives each h to 0 or 1. The error is counted in units of s and of the input's
/// root mean square, so that one lambda suits all layers.

/// Rows of weights that meet the same inputs: one group of a convolution, or a matrix product.
struct RoundingProblem {
  int64_t rows = 0, length = 0;     ///< output channels, weights of each
  const float* weights = nullptr;   ///< [rows, length]
  const float* scales = nullptr;    ///< [rows]
  const float* bias = nullptr;      ///< [rows], only used with relu; nullptr: zeros
  bool relu = false;
  int64_t samples = 0, stride = 0;  ///< inputs are x[sample * stride + k]
  const float* inputs = nullptr;
  int largest = 127;
};

struct RoundingOptions {
  int iterations = 1000, batch = 64;
  float lambda = 0.02F, rate = 0.02F;
  uint64_t seed = 1;
};

/// The rounded weights, [rows, length]. A row whose error on all samples does not become smaller than that of rounding
/// to the nearest keeps the latter. Deterministic, whatever the number of threads.
std::vector<int8_t> learn_rounding(const RoundingProblem& problem, const RoundingOptions& options);

/// Mean squared error of f(W~ x) over the samples, for each row, in units of its scale.
std::vector<double> rounding_errors(const RoundingProblem& problem, const std::vector<int8_t>& rounded);

/// Input vectors of a layer, one for each of some random output positions: `rows` of [groups * length], where length is
/// the number of weights of an output channel.
class LayerInputs {
 public:
  /// `layer` must be a Conv, or a Gemm or MatMul with constant 2-D weights and untransposed input.
  LayerInputs(const Node& layer, int64_t rows);
  static bool supports(const Node& layer);
  /// Adds up to `count` positions of one activation tensor.
  void add(const Tensor& activation, int64_t count, uint64_t seed);
  /// Rounds the layer's weights, whose scales are those of `quantized`, by `rounder`, group by group; returns false
  /// when there is no data. `bias` has one number a channel, or is empty.
  bool round(QuantizedWeights& quantized, const std::vector<float>& bias, bool relu, int largest,
             const std::function<std::vector<int8_t>(const RoundingProblem&)>& rounder) const;
  int64_t width() const { return groups_ * length_; }
  int64_t length() const { return length_; }

 private:
  const Node& layer_;
  int64_t groups_ = 1, length_ = 0, rows_;
  std::vector<float> data_;
};

}  // namespace hone
