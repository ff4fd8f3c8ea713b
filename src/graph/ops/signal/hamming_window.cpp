#include "graph/ops/signal/cosine_window.hpp"

namespace hone::ops {

/// Its first side lobe is canceled. See cosine_window.hpp.
struct HammingWindow : OpOf<HammingWindow>, WindowFields {
  const char* type() const override { return "HammingWindow"; }
  OpSpec spec() const override { return {.summary = "y[n] = 25/46 - 21/46 cos(2 pi n / N)"}; }
  void attributes(AttributeVisitor& visitor) override { visit(visitor); }
  void infer(InferContext& context) const override { infer_window(context, *this); }
  void evaluate(EvalContext& context) const override { evaluate_window(context, *this, {25.0 / 46, -21.0 / 46}); }
};

HONE_DEFINE_OP(HammingWindow)

}  // namespace hone::ops
