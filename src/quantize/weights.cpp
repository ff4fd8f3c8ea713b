#include "quantize/weights.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/conv_transpose.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/window.hpp"
#include "quantize/round_even.hpp"

namespace hone {

namespace {

// Weights seen as [outer, channels, inner].
struct Slices {
  int64_t outer = 1, channels = 1, inner = 1;

  Slices(const Dims& dims, int axis) {
    if (axis < 0) {
      inner = element_count(dims);
      return;
    }
    for (int i = 0; i < static_cast<int>(dims.size()); ++i) {
      int64_t& part = i < axis ? outer : i == axis ? channels : inner;
      part *= dims[static_cast<size_t>(i)];
    }
  }
  template <class Visit>
  void each(int64_t channel, Visit visit) const {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0, at = (o * channels + channel) * inner; i < inner; ++i) visit(static_cast<size_t>(at + i));
  }
};

// For each kernel tap of one axis, the share of output positions at which it meets an input element.
std::vector<double> tap_shares(const ops::Window& window, size_t axis, int64_t input) {
  int64_t output = ops::output_size(window, axis, input);
  std::vector<double> shares;
  for (int64_t tap = 0; tap < window.kernel[axis]; ++tap) {
    int64_t met = 0;
    for (int64_t o = 0; o < output; ++o) {
      int64_t at = o * window.strides[axis] - window.pads_begin[axis] + tap * window.dilations[axis];
      met += at >= 0 && at < input;
    }
    shares.push_back(output ? static_cast<double>(met) / static_cast<double>(output) : 0);
  }
  return shares;
}

// For each channel of the input, its mean before and after quantization.
struct InputMeans {
  std::vector<double> exact, quantized;
};

// A weight before and after quantization.
struct WeightPair {
  double exact, quantized;
};

double shift(const WeightPair& w, const InputMeans& means, int64_t channel) {
  size_t c = static_cast<size_t>(channel);
  return w.quantized * means.quantized[c] - w.exact * means.exact[c];
}

// Share of output positions for every tap of a kernel, row-major.
std::vector<double> conv_shares(const Node& node, const ops::Conv& conv, const Dims& kernel, const Dims& input) {
  Dims spatial(input.begin() + 2, input.end());
  ops::Window window = ops::resolve_window(node.place(), ops::window_attributes(conv), spatial, kernel);
  std::vector<double> shares{1};
  for (size_t axis = 0; axis < kernel.size(); ++axis) {
    std::vector<double> next, own = tap_shares(window, axis, spatial[axis]);
    for (double share : shares)
      for (double tap : own) next.push_back(share * tap);
    shares = std::move(next);
  }
  return shares;
}

std::vector<double> conv_error(const Node& node, const Tensor& w, const std::vector<WeightPair>& pairs,
                               const Dims& input, const InputMeans& means) {
  const auto* conv = node.as<ops::Conv>();
  Dims kernel(w.dims().begin() + 2, w.dims().end());
  if (input.size() != w.dims().size() || w.dim(1) * conv->group != static_cast<int64_t>(means.exact.size())) return {};
  std::vector<double> shares = conv_shares(node, *conv, kernel, input);
  int64_t outputs = w.dim(0), per_group = outputs / conv->group, channels = w.dim(1);
  std::vector<double> error(static_cast<size_t>(outputs));
  size_t at = 0;
  for (int64_t m = 0; m < outputs; ++m)
    for (int64_t c = 0; c < channels; ++c)
      for (double share : shares)
        error[static_cast<size_t>(m)] += share * shift(pairs[at++], means, m / per_group * channels + c);
  return error;
}

// Cropped borders are ignored: each output of a transposed convolution meets taps / strides inputs.
std::vector<double> conv_transpose_error(const Node& node, const Tensor& w, const std::vector<WeightPair>& pairs,
                                         const InputMeans& means) {
  const auto* conv = node.as<ops::ConvTranspose>();
  if (w.dim(0) != static_cast<int64_t>(means.exact.size())) return {};
  double density = 1;
  for (int64_t stride : conv->strides) density /= static_cast<double>(stride);
  int64_t per_group = w.dim(0) / conv->group, outputs = w.dim(1), taps = w.size() / (w.dim(0) * outputs);
  std::vector<double> error(static_cast<size_t>(outputs * conv->group));
  size_t at = 0;
  for (int64_t c = 0; c < w.dim(0); ++c)
    for (int64_t m = 0; m < outputs; ++m)
      for (int64_t tap = 0; tap < taps; ++tap)
        error[static_cast<size_t>(c / per_group * outputs + m)] += density * shift(pairs[at++], means, c);
  return error;
}

std::vector<double> product_error(const Node& node, const Tensor& w, const std::vector<WeightPair>& pairs,
                                  const InputMeans& means) {
  const auto* gemm = node.as<ops::Gemm>();
  bool transposed = gemm && gemm->transB;
  double alpha = gemm ? gemm->alpha : 1;
  int64_t rows = w.dim(transposed ? 1 : 0), columns = w.dim(transposed ? 0 : 1);
  if (w.rank() != 2 || rows != static_cast<int64_t>(means.exact.size())) return {};
  std::vector<double> error(static_cast<size_t>(columns));
  for (int64_t k = 0; k < rows; ++k)
    for (int64_t n = 0; n < columns; ++n) {
      size_t at = static_cast<size_t>(transposed ? n * rows + k : k * columns + n);
      error[static_cast<size_t>(n)] += alpha * shift(pairs[at], means, k);
    }
  return error;
}

// Two's complement has one more number below zero.
float rounded(float steps, float limit) { return round_even(std::clamp(steps, -limit - 1, limit)); }

// Squared error, given up at `enough`, of every `stride`-th weight.
double rounding_error(const std::vector<float>& weights, size_t stride, float scale, float limit, double enough) {
  double sum = 0;
  for (size_t i = 0; i < weights.size() && sum < enough; i += stride) {
    double error = weights[i] - scale * rounded(weights[i] / scale, limit);
    sum += error * error;
  }
  return sum;
}

// The scale with the least squared error of those that give the largest weight a whole number of steps, from half of
// what fits to all; nothing is clipped. Of a large channel, some weights choose.
float best_scale(const std::vector<float>& weights, int largest) {
  constexpr size_t most_weights = 256;
  float top = 0, above = 0, limit = static_cast<float>(largest);
  for (float w : weights) top = std::max(top, std::fabs(w)), above = std::max(above, w);
  float usual = top / limit, best = usual;
  if (usual < 1e-30F) return usual;
  size_t stride = (weights.size() + most_weights - 1) / most_weights;
  double least = rounding_error(weights, stride, usual, limit, 1e300);
  // Below zero there is one more number.
  for (int steps = largest + (above < top); steps > largest / 2; --steps) {
    float scale = top / static_cast<float>(steps);
    double error = rounding_error(weights, stride, scale, limit, least);
    if (error < least) least = error, best = scale;
  }
  if (best == usual || stride == 1) return best;
  double all = rounding_error(weights, 1, usual, limit, 1e300);
  return rounding_error(weights, 1, best, limit, all) < all ? best : usual;
}

}  // namespace

QuantizedWeights quantize_weights(const Tensor& weights, int axis, const std::vector<float>& at_least,
                                  int largest) {
  Slices slices(weights.dims(), axis);
  QuantizedWeights result{Tensor(DType::i8, weights.dims()), {}, axis};
  const float* in = weights.data<float>().data();
  int8_t* out = result.values.mutable_data<int8_t>().data();
  auto limit = static_cast<float>(largest);
  std::vector<float> channel;
  for (int64_t c = 0; c < slices.channels; ++c) {
    channel.clear();
    slices.each(c, [&](size_t i) { channel.push_back(in[i]); });
    float scale = best_scale(channel, largest);
    if (!at_least.empty()) scale = std::max(scale, at_least[static_cast<size_t>(c) % at_least.size()]);
    // A channel of zeros, or of weights too small for a float scale to have an inverse.
    if (scale < 1e-30F) scale = 1 / limit;
    slices.each(c, [&](size_t i) { out[i] = static_cast<int8_t>(rounded(in[i] / scale, limit)); });
    result.scales.push_back(scale);
  }
  return result;
}

std::vector<float> least_scales(const std::vector<float>& bias, float input_scale, size_t channels) {
  std::vector<float> least(channels, 0);
  for (size_t i = 0; i < bias.size(); ++i)
    least[i % channels] = std::max(least[i % channels], std::fabs(bias[i]) / (input_scale * 1073741824.0F));
  return least;
}

Tensor quantize_bias(const std::vector<float>& bias, float input_scale, const std::vector<float>& scales) {
  Tensor result(DType::i32, {static_cast<int64_t>(bias.size())});
  auto out = result.mutable_data<int32_t>();
  for (size_t i = 0; i < bias.size(); ++i) {
    double scale = static_cast<double>(input_scale * scales[i % scales.size()]);
    out[i] = static_cast<int32_t>(std::clamp(std::nearbyint(bias[i] / scale), -2147483647.0, 2147483647.0));
  }
  return result;
}

std::vector<double> mean_output_error(const Node& layer, const QuantizedWeights& quantized, const Observation& input,
                                      const ChannelSums* rounding) {
  const Tensor& weights = layer.input(1)->constant();
  InputMeans means{input.channels.means(), input.channels.means()};
  if (means.exact.empty()) return {};
  if (rounding && rounding->sums.size() == means.exact.size())
    for (size_t c = 0; c < means.exact.size(); ++c) means.quantized[c] += rounding->sums[c] / rounding->count;
  Slices slices(weights.dims(), quantized.axis);
  auto before = weights.data<float>();
  auto after = quantized.values.data<int8_t>();
  std::vector<WeightPair> pairs(before.size());
  for (int64_t c = 0; c < slices.channels; ++c)
    slices.each(c, [&](size_t i) {
      pairs[i] = {before[i], static_cast<double>(quantized.scales[static_cast<size_t>(c)]) * after[i]};
    });
  if (layer.is("Conv")) return conv_error(layer, weights, pairs, input.dims, means);
  if (layer.is("ConvTranspose")) return conv_transpose_error(layer, weights, pairs, means);
  return product_error(layer, weights, pairs, means);
}

void check_finite(const Node& node, size_t input) {
  const Value* value = node.input(input);
  if (!value || !value->is_constant() || value->dtype() != DType::f32) return;
  auto data = value->constant().data<float>();
  auto bad = std::find_if(data.begin(), data.end(), [](float x) { return !std::isfinite(x); });
  if (bad != data.end())
    throw Error(node.place(),
                fmt::format("constant '{}' has {} at element {}", value->name, std::isnan(*bad) ? "NaN" : "infinity",
                            bad - data.begin()),
                "the model is damaged or its training diverged");
}

}  // namespace hone
