#pragma once
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.hpp"

namespace hone::kernels {

enum class Act : uint8_t {
  none,
  relu,
  clip,
  leaky_relu,
  sigmoid,
  hard_sigmoid,
  hard_swish,
  swish,
  gelu,
  tanh,
  elu,
  mish,
  exp,
  sqrt,
  abs,
  neg,
  reciprocal
};

/// y = act(x). clip: [alpha, beta]; leaky_relu: slope alpha; hard_sigmoid: clip(alpha x + beta, 0, 1);
/// hard_swish: x clip(x/6 + 1/2, 0, 1); swish: x sigmoid(alpha x); elu: alpha (exp x - 1) below 0.
struct Activation {
  Act kind = Act::none;
  float alpha = 0, beta = 0;
};

/// What a kernel does with an accumulator of channel c before it stores it:
///   v = (acc + start[c]) * scale[c] + bias[c];  v = act(v);  v = grid(v);  v += (residual - residual_zero) *
///   residual_scale;  v = act2(v); v *= out_factor[c];  out = v, or saturate(round_to_even(v * out_inverse_scale) +
///   out_zero) for u8 and i8.
/// grid, where grid_scale > 0: v = clamp(round_to_even(v * grid_inverse), grid_low, grid_high) * grid_scale.
/// The same rule for f32 and integer kernels; null pointers mean scale 1, bias 0, no residual, factor 1.
///
/// Sums of a grid and an 8-bit residual with 8-bit output round as ONNX Runtime's QLinearAdd does, to the last bit:
/// of stored integers p and q with zero points x and y and factors a and b, p being the first operand,
/// round_to_even(fma(p, a, fma(q, b, out_zero - fma(a, x, b * y)))).
struct Epilogue {
  /// A bias in whole numbers, for integer accumulators; readable up to a whole vector of channels. `conv` and
  /// `depthwise` take it in where they pack their weights; here they only look how large it is.
  const int32_t* start = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;
  Activation act;
  float grid_inverse = 1, grid_scale = 0, grid_low = 0, grid_high = 0;
  int grid_zero = 0;               ///< which the stored form of a number of the grid has more
  bool residual_first = false;     ///< of the two operands of the sum
  const void* residual = nullptr;  ///< laid out as the output
  DType residual_type = DType::f32;
  float residual_scale = 1;
  int residual_zero = 0;
  Activation act2;
  const float* out_factor = nullptr;
  DType out_type = DType::f32;
  float out_inverse_scale = 1;
  int out_zero = 0;
};

}  // namespace hone::kernels
