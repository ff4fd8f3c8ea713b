#include "graph/ops/activation/hard_sigmoid.hpp"

#include <algorithm>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec HardSigmoid::spec() const {
  return {.traits = activation_traits, .summary = "y = max(0, min(1, alpha x + beta))"};
}
void HardSigmoid::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); visitor.field("beta", beta); }
void HardSigmoid::infer(InferContext& context) const { infer_unary(context, Types::floats); }
void HardSigmoid::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha, beta = beta](auto x) {
    using T = decltype(x);
    return std::clamp(T(alpha) * x + T(beta), T(0), T(1));
  });
}

HONE_DEFINE_OP(HardSigmoid)

}  // namespace hone::ops
