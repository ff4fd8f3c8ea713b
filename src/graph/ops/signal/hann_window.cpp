#include "graph/ops/signal/cosine_window.hpp"

namespace hone::ops {

/// sin^2(pi n / N) = 1/2 - 1/2 cos(2 pi n / N). See cosine_window.hpp.
struct HannWindow : OpOf<HannWindow>, WindowFields {
  const char* type() const override { return "HannWindow"; }
  OpSpec spec() const override { return {.summary = "y[n] = sin^2(pi n / N)"}; }
  void attributes(AttributeVisitor& visitor) override { visit(visitor); }
  void infer(InferContext& context) const override { infer_window(context, *this); }
  void evaluate(EvalContext& context) const override { evaluate_window(context, *this, {0.5, -0.5}); }
};

HONE_DEFINE_OP(HannWindow)

}  // namespace hone::ops
