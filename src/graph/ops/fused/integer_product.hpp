#pragma once
#include <string>
#include <vector>

#include "graph/op.hpp"

namespace hone::ops {

/// What an integer product becomes on its way out; never written to a file:
///   y (f32) = product(x - x_zero, w - w_zero) * scale * factors[c] + bias[c],  or the product itself in i32 when
///   `integers`.
/// Inputs of both ops: x (u8 or i8), w (8-bit), x_zero (one number, optional), w_zero (one number, or one an output
/// channel, optional), scale (f32, one number, optional). This is what dynamic quantizers write as ConvInteger or
/// MatMulInteger, Cast, Mul and Add.
struct ProductEnd {
  std::vector<float> factors;  ///< none: 1; one, or one an output channel
  std::vector<float> bias;     ///< none: 0; one, or one an output channel
  bool integers = false;
};

struct IntegerConv : OpOf<IntegerConv> {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> dilations;
  int64_t group = 1;
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> pads;
  std::vector<int64_t> strides;
  ProductEnd end;

  const char* type() const override { return "IntegerConv"; }
  const char* domain() const override { return "hone"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

struct IntegerMatMul : OpOf<IntegerMatMul> {
  ProductEnd end;

  const char* type() const override { return "IntegerMatMul"; }
  const char* domain() const override { return "hone"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
