#include "graph/ops/activation/selu.hpp"

#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Selu::spec() const {
  return {.traits = activation_traits, .summary = "y = gamma x if x > 0 else gamma alpha (e^x - 1)"};
}
void Selu::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); visitor.field("gamma", gamma); }
void Selu::infer(InferContext& context) const { infer_unary(context, Types::floats); }
void Selu::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha, gamma = gamma](auto x) {
    using T = decltype(x);
    return T(gamma) * (x > 0 ? x : T(alpha) * std::expm1(x));
  });
}

HONE_DEFINE_OP(Selu)

}  // namespace hone::ops
