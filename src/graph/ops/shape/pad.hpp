#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Inputs: x, pads (begins, then ends; negative ones crop), value (optional), axes (optional).
struct Pad : OpOf<Pad> {
  std::string mode = "constant";  ///< constant, reflect, edge or wrap

  const char* type() const override { return "Pad"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
