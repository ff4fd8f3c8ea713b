#include "graph/ops/activation/celu.hpp"

#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Celu::spec() const {
  return {.traits = activation_traits, .summary = "y = max(0, x) + min(0, alpha (e^(x / alpha) - 1))"};
}
void Celu::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); }
void Celu::infer(InferContext& context) const {
  if (alpha == 0) context.fail("alpha is 0, expected another number");
  infer_unary(context, Types::floats);
}
void Celu::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha](auto x) {
    using T = decltype(x);
    return x >= 0 ? x : T(alpha) * std::expm1(x / T(alpha));
  });
}

HONE_DEFINE_OP(Celu)

}  // namespace hone::ops
