#include "devices/cpu/native/common.hpp"

namespace hone::cpu {

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
  if (params.quantized()) result.inverse_scale = 1 / params.scale, result.zero = static_cast<int>(params.zero);
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
  }
  if (fused.rounded.quantized()) {
    const bool is_signed = fused.rounded_dtype == DType::i8;
    value.grid_scale = fused.rounded.scale;
    value.grid_low = static_cast<float>((is_signed ? -128 : 0) - fused.rounded.zero);
    value.grid_high = static_cast<float>((is_signed ? 127 : 255) - fused.rounded.zero);
  }
  if (fused.has_residual) {
    residual_input = static_cast<int>(fused.inner_inputs);
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
  }
  return true;
}

kernels::Epilogue NativeEpilogue::bind(const KernelRun& run) const {
  kernels::Epilogue bound = value;
  bound.scale = scale.empty() ? nullptr : scale.data();
  bound.bias = bias.empty() ? nullptr : bias.data();
  bound.out_factor = out_factor.empty() ? nullptr : out_factor.data();
  if (residual_input >= 0) bound.residual = run.in(static_cast<size_t>(residual_input));
  return bound;
}

}  // namespace hone::cpu
