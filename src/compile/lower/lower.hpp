#pragma once
#include "graph/graph.hpp"

/// From a portable graph with concrete shapes to one of fused, channels-last ops that kernels are written for. The
/// result evaluates to the same numbers (up to the rounding that a removed quantize/dequantize pair did).
namespace hone {

/// expand() and all of the steps below, in order.
void lower(Graph& graph);

/// The chain from a u8 [N, H, W, C] image input to the first layer: Cast, channel Gather, Transpose to NCHW, linear
/// Resize, per-channel arithmetic, QuantizeLinear  =>  hone.ImageInput.
void fuse_image_input(Graph& graph);
/// QLinearConv and QLinearMatMul  =>  the same between DequantizeLinear and QuantizeLinear.
void dissolve_qlinear(Graph& graph);
/// Constant 8-bit weights with zero points  =>  i8 without them, or the product as ConvInteger or MatMulInteger.
void take_weight_zero_points(Graph& graph);
/// Convolutions and pools over [N, C, L]  =>  the same over [N, C, 1, L].
void add_second_dimension(Graph& graph);
/// Taps of a convolution that read nothing but padding are cut off its weights.
void trim_padding_taps(Graph& graph);
/// ConvTranspose with constant weights  =>  Conv, DepthToSpace and a crop.
void unfold_transposed(Graph& graph);
/// Channel selections that exporters write as reshapes and transposes become Slice or a transposition of channels
/// alone.
void find_channel_moves(Graph& graph);
/// Conv, ConvTranspose, Gemm and MatMul take in the dequantization of their inputs, the activation, the residual Add
/// and the quantization that follow: q(act2(act(conv(dq(x), dq(w)) + b) + dq(r)))  =>  hone.Fused.
void fuse_compute(Graph& graph);
/// ConvInteger and MatMulInteger take in the Cast, the scales and the bias that dynamic quantizers put behind them.
void fuse_integer_products(Graph& graph);
/// The other ops between dequantization and quantization become one integer op; ops that only move values work on
/// the quantized values themselves: op(dq(x))  =>  dq(op(x)). Float Add, Mul ... take in the activation that follows.
void fuse_others(Graph& graph);
/// Rank-4 activations become NHWC: ops that care are wrapped, the others have their axes renamed, and
/// transposes remain only where a consumer needs NCHW.
void use_channels_last(Graph& graph);

}  // namespace hone
