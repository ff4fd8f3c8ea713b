#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// [N, C, H, W] to [N, C / b^2, H b, W b]
struct DepthToSpace : OpOf<DepthToSpace> {
  int64_t blocksize = 0;
  std::string mode = "DCR";  ///< DCR or CRD

  const char* type() const override { return "DepthToSpace"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
