#include "graph/ops/activation/hardmax.hpp"

#include "graph/ops/activation/along_axis.hpp"

namespace hone::ops {

OpSpec Hardmax::spec() const { return {.summary = "y = 1 at the first largest element along an axis, else 0"}; }
void Hardmax::attributes(AttributeVisitor& visitor) { visitor.field("axis", axis); }
void Hardmax::infer(InferContext& context) const { infer_along_axis(context, axis); }

void Hardmax::evaluate(EvalContext& context) const {
  evaluate_along_axis(context, axis, [](const auto* x, auto* y, int64_t size) {
    int64_t best = 0;
    for (int64_t i = 1; i < size; ++i)
      if (max_nan(x[best], x[i]) != x[best]) best = i;
    for (int64_t i = 0; i < size; ++i) y[i] = i == best;
  });
}

HONE_DEFINE_OP(Hardmax)

}  // namespace hone::ops
