#include "optimize/fold_affine.hpp"

#include <algorithm>
#include <cmath>

#include "graph/ops/nn/normalization/batch_normalization.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/conv_transpose.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/mat_mul.hpp"
#include "optimize/match.hpp"

namespace hone::passes {

namespace {

const Tensor* float_constant(const Value* value) {
  return value && value->is_constant() && is_float(value->dtype()) ? &value->constant() : nullptr;
}

/// The output channel of each weight: first axis, last axis, or group and second axis.
template <class Channel>
Tensor scaled(const Tensor& weights, const std::vector<double>& scale, Channel channel) {
  Tensor result = weights.clone();
  dispatch(weights.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!std::is_integral_v<T>) {
      auto data = result.mutable_data<T>();
      for (size_t i = 0; i < data.size(); ++i) {
        double factor = scale[static_cast<size_t>(channel(static_cast<int64_t>(i)))];
        if constexpr (std::is_floating_point_v<T>)
          data[i] = static_cast<T>(static_cast<double>(data[i]) * factor);
        else
          data[i] = T(static_cast<float>(static_cast<double>(static_cast<float>(data[i])) * factor));
      }
    }
  });
  return result;
}

Tensor scaled_weights(const Node& node, const std::vector<double>& scale) {
  const Tensor& w = node.input(1)->constant();
  int64_t channels = static_cast<int64_t>(scale.size());
  const auto* gemm = node.as<ops::Gemm>();
  if (node.as<ops::Conv>() || (gemm && gemm->transB)) {
    int64_t inner = w.size() / w.dim(0);
    return scaled(w, scale, [=](int64_t i) { return i / inner; });
  }
  if (const auto* op = node.as<ops::ConvTranspose>()) {
    int64_t per_group = w.dim(1), inner = w.size() / (w.dim(0) * per_group), inputs_per_group = w.dim(0) / op->group;
    return scaled(w, scale, [=](int64_t i) {
      int64_t row = i / inner;
      return row / per_group / inputs_per_group * per_group + row % per_group;
    });
  }
  return scaled(w, scale, [=](int64_t i) { return i % channels; });
}

bool is_one(double value) { return value == 1; }
bool is_zero(double value) { return value == 0; }

}  // namespace

std::optional<OutputChannels> output_channels(const Node& node) {
  const Tensor* w = float_constant(node.input(1));
  if (!w || node.op().domain()[0] != '\0' || w->rank() < 2 || w->size() == 0) return std::nullopt;
  if (node.input(2) && !float_constant(node.input(2))) return std::nullopt;
  if (node.as<ops::Conv>()) return OutputChannels{w->rank(), 1, w->dim(0)};
  if (const auto* op = node.as<ops::ConvTranspose>()) {
    if (op->group < 1 || w->dim(0) % op->group != 0) return std::nullopt;
    return OutputChannels{w->rank(), 1, w->dim(1) * op->group};
  }
  if (const auto* op = node.as<ops::Gemm>()) return OutputChannels{2, 1, w->dim(op->transB ? 0 : 1)};
  if (node.as<ops::MatMul>() && w->rank() == 2 && node.output()->shape().ranked && node.output()->shape().rank() >= 2) {
    int rank = node.output()->shape().rank();
    return OutputChannels{rank, rank - 1, w->dim(1)};
  }
  return std::nullopt;
}

std::optional<ChannelAffine> batch_norm_affine(const Node& node, int64_t channels) {
  const auto* op = node.as<ops::BatchNormalization>();
  if (!op || op->training_mode || node.outputs().size() != 1) return std::nullopt;
  std::vector<double> parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* tensor = float_constant(node.input(i + 1));
    if (!tensor || tensor->rank() != 1 || tensor->size() != channels) return std::nullopt;
    parameters[i] = *numbers(node.input(i + 1));
  }
  auto& [gamma, beta, mean, variance] = parameters;
  ChannelAffine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    affine.scale.push_back(gamma[c] / std::sqrt(variance[c] + static_cast<double>(op->epsilon)));
    affine.shift.push_back(beta[c] - mean[c] * affine.scale[c]);
  }
  bool finite = std::all_of(affine.scale.begin(), affine.scale.end(), [](double s) { return std::isfinite(s); });
  return finite ? std::optional(affine) : std::nullopt;
}

std::optional<ChannelAffine> arithmetic_affine(const Node& node, const Value* x, const OutputChannels& channels) {
  bool add = node.is("Add"), subtract = node.is("Sub"), multiply = node.is("Mul"), divide = node.is("Div");
  if ((!add && !subtract && !multiply && !divide) || node.inputs().size() != 2 || node.op().domain()[0] != '\0')
    return std::nullopt;
  bool x_first = node.input(0) == x;
  if (divide && !x_first) return std::nullopt;
  auto constant = per_channel(node.input(x_first ? 1 : 0), channels.rank, channels.axis, channels.count);
  if (!constant) return std::nullopt;
  size_t count = constant->size();
  ChannelAffine affine{std::vector<double>(count, 1.0), std::vector<double>(count, 0.0)};
  for (size_t c = 0; c < count; ++c) {
    double value = (*constant)[c];
    if (divide && value == 0) return std::nullopt;
    if (add) affine.shift[c] = value;
    if (subtract) affine.shift[c] = x_first ? -value : value;
    if (subtract && !x_first) affine.scale[c] = -1;
    if (multiply) affine.scale[c] = value;
    if (divide) affine.scale[c] = 1 / value;
    if (!std::isfinite(affine.scale[c]) || !std::isfinite(affine.shift[c])) return std::nullopt;
  }
  return affine;
}

bool fold_into(Graph& graph, Node* node, const ChannelAffine& affine) {
  auto channels = output_channels(*node);
  if (!channels || affine.scale.size() != static_cast<size_t>(channels->count)) return false;
  bool shifts = !std::all_of(affine.shift.begin(), affine.shift.end(), is_zero);
  bool scales = !std::all_of(affine.scale.begin(), affine.scale.end(), is_one);
  bool has_bias = node->input(2) != nullptr;
  std::vector<double> bias(affine.scale.size(), 0.0);
  if (node->as<ops::MatMul>()) {
    if (shifts) return false;
  } else if (has_bias) {
    auto own = node->as<ops::Gemm>() ? per_channel(node->input(2), 2, 1, channels->count) : numbers(node->input(2));
    if (!own || own->size() != bias.size()) return false;
    bias = *own;
  }
  auto* gemm = node->as<ops::Gemm>();
  double beta = gemm && has_bias ? static_cast<double>(gemm->beta) : 1;
  DType dtype = node->input(1)->dtype();
  if (has_bias || shifts) {
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * beta * affine.scale[c] + affine.shift[c];
    set_constant_input(graph, node, 2, tensor_of(dtype, {channels->count}, bias), node->name + "/bias");
    if (gemm) gemm->beta = 1;
  }
  if (scales) set_constant_input(graph, node, 1, scaled_weights(*node, affine.scale), node->name + "/weight");
  infer_node(*node);
  return true;
}

}  // namespace hone::passes
