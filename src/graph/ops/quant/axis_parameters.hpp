#pragma once
#include "graph/op.hpp"
#include "graph/ops/shape/sizes.hpp"

/// How QuantizeLinear and DequantizeLinear read scale and zero point.
namespace hone::ops {

/// Which scale an element has. Seen along the quantized axis, x is [outer, size, inner]: one scale for all (count 1),
/// one for each position on the axis (count = size), or, in blocks, scales [outer, ceil(size / block), inner].
struct AxisParameters {
  int64_t size = 1, inner = 1;
  int64_t count = 1;  ///< scales in all
  int64_t block = 0;  ///< positions that share a scale; 0: not in blocks
};

/// Fails when scale or zero point do not fit x along `axis`.
AxisParameters axis_parameters(const EvalContext& context, int64_t axis, int64_t block_size);
/// The same as far as it is known before running.
void check_axis_parameters(const InferContext& context, int64_t axis, int64_t block_size);

/// Calls run(first, length, k, step) for stretches of `total` elements; element first + i has scale k + i * step.
template <class Run>
void for_each_scale(const AxisParameters& axis, int64_t total, Run run) {
  if (axis.count == 1) return run(int64_t{0}, total, int64_t{0}, int64_t{0});
  int64_t blocks = axis.block ? (axis.size + axis.block - 1) / axis.block : axis.size;
  for (int64_t first = 0, line = 0; first < total; first += axis.inner, ++line) {
    int64_t at = line % axis.size;
    if (axis.block) run(first, axis.inner, (line / axis.size * blocks + at / axis.block) * axis.inner, int64_t{1});
    else run(first, axis.inner, at, int64_t{0});
  }
}

}  // namespace hone::ops
