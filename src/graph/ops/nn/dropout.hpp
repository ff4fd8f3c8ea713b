#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Inference: y = x, mask all true. Inputs: x, ratio (optional), training_mode (optional; must be false, or ratio 0).
struct Dropout : OpOf<Dropout> {
  std::optional<int64_t> seed;

  const char* type() const override { return "Dropout"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
