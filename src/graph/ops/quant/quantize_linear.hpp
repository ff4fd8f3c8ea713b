#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = saturate(round_half_even(x / scale) + zero_point). Inputs: x, scale (scalar, or 1-D along `axis`), zero_point
/// (optional; gives the type of y).
struct QuantizeLinear : OpOf<QuantizeLinear> {
  int64_t axis = 1;
  int64_t block_size = 0;  ///< above 0 is refused
  DType output_dtype = DType::undefined;  ///< of y when there is no zero_point
  int64_t saturate = 1;  ///< about float 8 only

  const char* type() const override { return "QuantizeLinear"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
