#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = (x - zero_point) * scale. Inputs: x, scale (scalar, or 1-D along `axis`), zero_point (optional).
struct DequantizeLinear : OpOf<DequantizeLinear> {
  int64_t axis = 1;
  int64_t block_size = 0;  ///< above 0 is refused

  const char* type() const override { return "DequantizeLinear"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
