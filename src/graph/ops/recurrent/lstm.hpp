#pragma once
#include "graph/op.hpp"
#include "graph/ops/recurrent/recurrent.hpp"

namespace hone::ops {

/// i, f = f(x w' + h r' + p c + b), g = g(x wc' + h rc' + bc), c = f c + i g, o = f(x wo' + h ro' + po c + bo), h = o
/// h(c). Gates are in the order i o f c. Inputs after initial_h: initial_c [directions, batch, hidden], the peepholes
/// p [directions, 3 * hidden] in the order i o f. Third output: y_c. See recurrent.hpp for the other shapes.
struct LSTM : OpOf<LSTM>, RecurrentFields {
  int64_t input_forget = 0;  ///< 1: f = 1 - i

  const char* type() const override { return "LSTM"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
