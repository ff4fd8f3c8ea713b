#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// What compile makes of a product with weights that are stored as integers; never written to a file:
///   y = x * dequantize(w) + bias.   Inputs: x (f32 [..., K]), w (constant, 4 or 8 bits, [K, N], or [N, K] when
///   `transposed`), bias
/// (f32, optional), and of DequantizeLinear: scale, zero point (optional).
struct PackedMatMul : OpOf<PackedMatMul> {
  bool transposed = false;
  int64_t axis = 0;        ///< of DequantizeLinear
  int64_t block_size = 0;  ///< of DequantizeLinear

  const char* type() const override { return "PackedMatMul"; }
  const char* domain() const override { return "hone"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
