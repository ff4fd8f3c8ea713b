#include "graph/ops/activation/gelu.hpp"

#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Gelu::spec() const {
  return {.traits = activation_traits, .summary = "y = x / 2 (1 + erf(x / sqrt(2)))"};
}
void Gelu::attributes(AttributeVisitor& visitor) { visitor.field("approximate", approximate); }
void Gelu::infer(InferContext& context) const {
  if (approximate != "none" && approximate != "tanh")
    context.fail("approximate is '" + approximate + "', expected 'none' or 'tanh'");
  infer_unary(context, Types::floats);
}
void Gelu::evaluate(EvalContext& context) const {
  if (approximate == "tanh")
    evaluate_unary_float(context, [](auto x) {
      using T = decltype(x);
      return T(0.5) * x * (1 + std::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));  // sqrt(2 / pi)
    });
  else
    evaluate_unary_float(context, [](auto x) {
      using T = decltype(x);
      return T(0.5) * x * (1 + std::erf(x * T(0.7071067811865476)));  // sqrt(1 / 2)
    });
}

HONE_DEFINE_OP(Gelu)

}  // namespace hone::ops
