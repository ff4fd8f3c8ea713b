#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// y = x - ln(sum(e^x)) along an axis.
struct LogSoftmax : OpOf<LogSoftmax> {
  int64_t axis = -1;

  const char* type() const override { return "LogSoftmax"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
