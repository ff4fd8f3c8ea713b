#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// The mean of each channel: [N, C, spatial...] to [N, C, 1...].
struct GlobalAveragePool : OpOf<GlobalAveragePool> {
  const char* type() const override { return "GlobalAveragePool"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
