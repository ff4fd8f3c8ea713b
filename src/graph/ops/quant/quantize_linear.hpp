#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = saturate(round_half_even(x / scale) + zero_point). Inputs: x, scale (scalar; 1-D along `axis`; or, with
/// block_size, with the sizes of x divided by that on the axis), zero_point (as scale; optional; gives the type of y).
struct QuantizeLinear : OpOf<QuantizeLinear> {
  int64_t axis = 1;
  int64_t block_size = 0;  ///< positions on the axis that share a scale; 0: not in blocks
  DType output_dtype = DType::undefined;  ///< of y when there is no zero_point
  DType precision = DType::undefined;     ///< of the division; the scale's type when not given
  int64_t saturate = 1;  ///< about float 8 only

  const char* type() const override { return "QuantizeLinear"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
