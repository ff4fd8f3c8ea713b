#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// The largest element of each channel: [N, C, spatial...] to [N, C, 1...].
struct GlobalMaxPool : OpOf<GlobalMaxPool> {
  const char* type() const override { return "GlobalMaxPool"; }
  OpSpec spec() const override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
