#include "devices/cpu/native/common.hpp"

#include <cmath>
#include <limits>

namespace hone::cpu {

namespace {

bool is_clamp(const kernels::Activation& act) {
  using kernels::Act;
  return act.kind == Act::none || act.kind == Act::relu || act.kind == Act::clip;
}

}  // namespace

bool native_activation(const ops::FusedActivation& activation, kernels::Activation& result) {
  using kernels::Act;
  static const struct {
    const char* name;
    Act kind;
  } kinds[] = {
      {"", Act::none},
      {"Relu", Act::relu},
      {"Clip", Act::clip},
      {"LeakyRelu", Act::leaky_relu},
      {"Sigmoid", Act::sigmoid},
      {"HardSigmoid", Act::hard_sigmoid},
      {"HardSwish", Act::hard_swish},
      {"Swish", Act::swish},
      {"Gelu", Act::gelu},
      {"Tanh", Act::tanh},
      {"Elu", Act::elu},
      {"Mish", Act::mish},
      {"Exp", Act::exp},
      {"Sqrt", Act::sqrt},
      {"Abs", Act::abs},
      {"Neg", Act::neg},
      {"Reciprocal", Act::reciprocal},
  };
  for (const auto& entry : kinds)
    if (activation.name == entry.name) {
      result = {entry.kind, activation.alpha, activation.beta};
      return true;
    }
  return false;
}

kernels::Operand operand(DType type, const ops::QuantParams& params) {
  kernels::Operand result;
  result.type = type;
  if (params.quantized()) result.scale = params.scale, result.zero = static_cast<int>(params.zero);
  return result;
}

kernels::Target target(DType type, const ops::QuantParams& params) {
  kernels::Target result;
  result.type = type;
  if (params.quantized()) result.scale = params.scale, result.zero = static_cast<int>(params.zero);
  return result;
}

bool NativeEpilogue::make(const Node& node, const ops::Fused& fused, int64_t channels, std::string& refusal) {
  if (!native_activation(fused.act, value.act) || !native_activation(fused.act2, value.act2))
    return refusal = "no such activation", false;
  if (!fused.weight_scales.empty())
    for (int64_t c = 0; c < channels; ++c)
      scale.push_back(fused.input_quant(0).scale *
                      fused.weight_scales[fused.weight_scales.size() == 1 ? 0 : static_cast<size_t>(c)]);
  const Value* constant = fused.inner_inputs > 2 ? node.input(2) : nullptr;
  if (constant) {
    bias = constant->constant().to_floats();
    if (bias.size() == 1) bias.assign(static_cast<size_t>(channels), bias[0]);
    if (static_cast<int64_t>(bias.size()) != channels) return refusal = "bias is not one number a channel", false;
    if (!scale.empty()) take_whole_bias(element_count(dims_of(node.input(1))) / channels);
  }
  if (fused.rounded.quantized()) {
    const bool is_signed = fused.rounded_dtype == DType::i8;
    value.grid_scale = fused.rounded.scale;
    value.grid_inverse = 1 / fused.rounded.scale;
    value.grid_zero = static_cast<int>(fused.rounded.zero);
    value.grid_low = static_cast<float>((is_signed ? -128 : 0) - fused.rounded.zero);
    value.grid_high = static_cast<float>((is_signed ? 127 : 255) - fused.rounded.zero);
  }
  if (fused.has_residual) {
    residual_input = static_cast<int>(fused.inner_inputs);
    value.residual_first = fused.residual_first;
    value.residual_type = node.input(static_cast<size_t>(residual_input))->dtype();
    if (fused.residual.quantized()) {
      value.residual_scale = fused.residual.scale;
      value.residual_zero = static_cast<int>(fused.residual.zero);
    }
  }
  out_factor = fused.out_factors;
  value.out_type = node.output()->dtype();
  if (fused.out.quantized()) {
    value.out_inverse_scale = 1 / fused.out.scale;
    value.out_zero = static_cast<int>(fused.out.zero);
    if (!scale.empty() && is_clamp(value.act) && is_clamp(value.act2) && out_factor.empty() &&
        (!fused.has_residual || fused.residual.quantized()))
      scale_to_steps(fused);
  }
  return true;
}

void NativeEpilogue::take_whole_bias(int64_t depth) {
  constexpr int64_t largest = std::numeric_limits<int32_t>::max();
  std::vector<int32_t> whole(bias.size() + 64);
  for (size_t c = 0; c < bias.size(); ++c) {
    const double unit = scale[c], steps = std::nearbyint(bias[c] / unit);
    // What a float cannot tell from a whole number is one.
    if (!(std::abs(steps * unit - bias[c]) <= 0x1p-22 * std::abs(bias[c]))) return;
    if (std::abs(steps) + 255.0 * 128.0 * static_cast<double>(depth) > largest) return;
    whole[c] = static_cast<int32_t>(steps);
  }
  start = std::move(whole);
  bias.clear();
}

void NativeEpilogue::scale_to_steps(const ops::Fused& fused) {
  const auto to_steps = [](kernels::Activation& act, float step) {
    if (act.kind == kernels::Act::clip) act.alpha /= step, act.beta /= step;
  };
  const float out = fused.out.scale, step = fused.rounded.quantized() ? fused.rounded.scale : out;
  for (float& factor : scale) factor /= step;
  for (float& number : bias) number /= step;
  to_steps(value.act, step);
  to_steps(value.act2, out);
  if (fused.rounded.quantized()) value.grid_scale = fused.rounded.scale / out, value.grid_inverse = 1;
  value.residual_scale /= out;
  value.out_inverse_scale = 1;
}

kernels::Epilogue NativeEpilogue::bind(const KernelRun& run) const {
  kernels::Epilogue bound = value;
  bound.start = start_data();
  bound.scale = scale.empty() ? nullptr : scale.data();
  bound.bias = bias.empty() ? nullptr : bias.data();
  bound.out_factor = out_factor.empty() ? nullptr : out_factor.data();
  if (residual_input >= 0) bound.residual = run.in(static_cast<size_t>(residual_input));
  return bound;
}

}  // namespace hone::cpu
