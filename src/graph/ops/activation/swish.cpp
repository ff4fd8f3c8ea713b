#include "graph/ops/activation/swish.hpp"

#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Swish::spec() const {
  return {.traits = activation_traits, .summary = "y = x sigmoid(alpha x)"};
}
void Swish::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); }
void Swish::infer(InferContext& context) const { infer_unary(context, Types::floats); }
void Swish::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha](auto x) {
    return x / (1 + std::exp(static_cast<decltype(x)>(-alpha) * x));
  });
}

HONE_DEFINE_OP(Swish)

}  // namespace hone::ops
