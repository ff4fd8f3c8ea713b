#pragma once
#include "graph/op.hpp"
#include "graph/ops/recurrent/recurrent.hpp"

namespace hone::ops {

/// z = f(x wz' + h rz' + bz), r = f(x wr' + h rr' + br), c = g(x wh' + (r h) rh' + bh), h = (1 - z) c + z h.
/// Gates are in the order z r h. See recurrent.hpp for the shapes.
struct GRU : OpOf<GRU>, RecurrentFields {
  int64_t linear_before_reset = 0;  ///< 1: c = g(x wh' + r (h rh' + rbh) + wbh)

  const char* type() const override { return "GRU"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
