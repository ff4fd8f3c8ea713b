#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = (x - zero_point) * scale. Inputs: x, scale (scalar; 1-D along `axis`; or, with block_size, with the sizes of x
/// divided by that on the axis), zero_point (as scale; optional).
struct DequantizeLinear : OpOf<DequantizeLinear> {
  int64_t axis = 1;
  int64_t block_size = 0;  ///< positions on the axis that share a scale; 0: not in blocks
  DType output_dtype = DType::undefined;  ///< of y; the scale's when not given

  const char* type() const override { return "DequantizeLinear"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
