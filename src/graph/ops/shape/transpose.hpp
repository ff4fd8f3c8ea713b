#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y.dims[i] = x.dims[perm[i]]; an empty perm reverses the dimensions.
struct Transpose : OpOf<Transpose> {
  std::vector<int64_t> perm;

  const char* type() const override { return "Transpose"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
