#pragma once
#include "graph/op.hpp"
#include "graph/ops/shape/sizes.hpp"

/// How QuantizeLinear and DequantizeLinear read scale and zero point.
namespace hone::ops {

/// Position of an element on the quantized axis: element / inner % count. count is 1 for one scale in all.
struct AxisParameters {
  int64_t inner = 1, count = 1;
};

/// Fails on block_size, and when scale or zero point do not fit x along `axis`.
AxisParameters axis_parameters(const EvalContext& context, int64_t axis, int64_t block_size);
/// The same as far as it is known before running.
void check_axis_parameters(const InferContext& context, int64_t axis, int64_t block_size);

}  // namespace hone::ops
