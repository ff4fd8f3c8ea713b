#include "graph/ops/signal/cosine_window.hpp"

namespace hone::ops {

/// Three terms, for low side lobes. See cosine_window.hpp.
struct BlackmanWindow : OpOf<BlackmanWindow>, WindowFields {
  const char* type() const override { return "BlackmanWindow"; }
  OpSpec spec() const override { return {.summary = "y[n] = 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)"}; }
  void attributes(AttributeVisitor& visitor) override { visit(visitor); }
  void infer(InferContext& context) const override { infer_window(context, *this); }
  void evaluate(EvalContext& context) const override { evaluate_window(context, *this, {0.42, -0.5, 0.08}); }
};

HONE_DEFINE_OP(BlackmanWindow)

}  // namespace hone::ops
