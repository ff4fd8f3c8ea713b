#pragma once
#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

/// Elementwise work on f32, u8 and i8 in any mix. Data are rows (pixels) of channels, channels last. Kernels work on a
/// range and never allocate, throw or lock; the output may be one of the inputs where element sizes agree.
///
/// Accuracy of the f32 activations: relative error below 1e-6, for gelu 2e-6, and for gelu of x < -3 up to 1e-5
/// (absolute error below 1e-7); results below 1e-36 may be 0. Exponentials saturate at exp(88.3).
namespace hone::kernels {

/// prelu: a where a >= 0, else a b.
enum class Binary : uint8_t { add, sub, mul, div, min, max, prelu };

/// How the second operand is laid out against a first of [rows, channels].
enum class Broadcast : uint8_t {
  same,     ///< [rows, channels]
  channel,  ///< [channels]
  gate,     ///< [images, channels], as in squeeze-and-excite
  scalar,   ///< one element
};

/// real value = (element - zero) * scale; scale and zero are for u8 and i8.
struct Operand {
  const void* data = nullptr;
  DType type = DType::f32;
  float scale = 1;
  int zero = 0;
};

/// y = saturate(round_to_even(v / scale) + zero) for u8 and i8, v for f32.
struct Target {
  DType type = DType::f32;
  float scale = 1;
  int zero = 0;
};

/// y = act(a op b), or act(b op a) when swapped.
///
/// Sums and products of 8-bit operands with an 8-bit result, act being a clamp, round as ONNX Runtime's QLinearAdd and
/// QLinearMul do, to the last bit: a sum as in Epilogue, a product of stored integers p and q with zero points x and y
/// as round_to_even(fma((p - x) * (q - y), a.scale * b.scale / target.scale, zero)).
struct BinaryJob {
  Binary op = Binary::add;
  Broadcast broadcast = Broadcast::same;
  bool swapped = false;
  Operand a, b;
  Activation act;
  Target target;
  int64_t channels = 1;
  int64_t rows_per_image = 1;  ///< for gate
};

/// y = act(x): unary activations, quantize, dequantize, requantize. 8-bit results are those of a division by the scale.
struct ConvertJob {
  Operand x;
  Activation act;
  Target target;
};

/// y = act(x * scale[c] + bias[c]) over rows of channels.
struct AffineJob {
  Operand x;
  const float* scale = nullptr;
  const float* bias = nullptr;
  Activation act;
  Target target;
  int64_t channels = 1;
  /// Elements between rows where x or y is a part of a larger tensor's channels; 0: dense.
  int64_t x_row = 0, y_row = 0;
};

/// Copies `channels` consecutive channels of each row from x to y, whose rows are `x_stride` and `y_stride` elements
/// apart: concat, split, slice. Types, scales or zero points that differ are converted.
struct CopyJob {
  Operand x;
  Target target;
  int64_t channels = 1, x_stride = 1, y_stride = 1;
};

struct ElementwiseKernels {
  void (*binary)(const BinaryJob& job, void* y, int64_t row_begin, int64_t row_end);
  void (*convert)(const ConvertJob& job, void* y, int64_t begin, int64_t end);  ///< elements
  void (*affine)(const AffineJob& job, void* y, int64_t row_begin, int64_t row_end);
  void (*copy)(const CopyJob& job, void* y, int64_t row_begin, int64_t row_end);
  /// y[i] = table[x[i]] on bytes: any function of 8-bit data.
  void (*lookup)(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end);
  /// Channel shuffle: [rows, groups, channels / groups] to [rows, channels / groups, groups]; elements of 1 or 4 bytes.
  void (*shuffle)(const void* x, int element_bytes, int64_t channels, int64_t groups, void* y, int64_t row_begin,
                  int64_t row_end);
};

const ElementwiseKernels& elementwise_kernels(Isa isa = best_isa());

/// The table of `convert` for 8-bit x: `table` gets 256 bytes, indexed by the bits of the element.
void make_lookup(const ConvertJob& job, uint8_t* table);

}  // namespace hone::kernels
