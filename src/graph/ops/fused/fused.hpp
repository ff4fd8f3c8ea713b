#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone::ops {

/// An activation by the name of its op. Clip: [alpha, beta]; LeakyRelu, Elu: alpha; HardSigmoid: alpha, beta;
/// Swish: x sigmoid(alpha x). An empty name is the identity.
struct FusedActivation {
  std::string name;
  float alpha = 0, beta = 0;
  bool empty() const { return name.empty(); }
  bool operator==(const FusedActivation&) const = default;
};
/// The value of the activation at x.
float apply(const FusedActivation& activation, float x);
/// The activation that a node computes, when it is one that FusedActivation can say.
bool fusable_activation(const Node& node, FusedActivation& activation);

/// Real value = (q - zero) * scale. scale 0: the tensor is not quantized.
struct QuantParams {
  float scale = 0;
  int64_t zero = 0;
  bool quantized() const { return scale != 0; }
  bool operator==(const QuantParams&) const = default;
};

/// What compile makes of an op and its neighbours; never written to a file:
///   y = quantize(factor[c] * act2(rounded(act(inner(dequantize(inputs)...))) + dequantize(residual)))
/// Inputs are those of `inner`; when has_residual, one more follows (absent inputs in between are null).
struct Fused : OpOf<Fused> {
  std::shared_ptr<const Op> inner;       ///< Conv, Gemm, Add, MaxPool ...
  int64_t inner_inputs = 1;              ///< inputs that belong to `inner`
  bool channels_last = false;            ///< rank-4 activations in and out are NHWC (weights are not)
  std::vector<QuantParams> in;           ///< one per inner input; missing ones are not quantized
  std::vector<float> weight_scales;      ///< of input 1 when it is i8: one, or one per output channel
  FusedActivation act, act2;
  QuantParams rounded;  ///< to 8 bits and back, before the residual is added; not quantized: the identity
  DType rounded_dtype = DType::undefined;
  bool has_residual = false;
  bool residual_first = false;  ///< of the two operands of the sum
  QuantParams residual;
  std::vector<float> out_factors;        ///< factor: one per channel of a rank-4 result; empty: 1
  DType out_dtype = DType::undefined;    ///< undefined: what inner yields
  QuantParams out;

  const char* type() const override { return "Fused"; }
  const char* domain() const override { return "hone"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;

  QuantParams input_quant(size_t i) const { return i < in.size() ? in[i] : QuantParams{}; }
  /// True when input i of `inner` is an activation whose layout follows channels_last.
  bool input_has_layout(size_t i) const;
  std::string describe() const;  ///< "Conv+Relu u8"
};

/// NCHW <-> NHWC of a rank-4 tensor of any numeric type.
Tensor to_channels_last(const Tensor& x);
Tensor to_channels_first(const Tensor& x);
Tensor dequantize(const Tensor& x, const QuantParams& params);
Tensor quantize(const Tensor& x, DType dtype, const QuantParams& params);

}  // namespace hone::ops
