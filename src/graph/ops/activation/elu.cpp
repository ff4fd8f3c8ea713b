#include "graph/ops/activation/elu.hpp"

#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Elu::spec() const {
  return {.traits = activation_traits, .summary = "y = x if x >= 0 else alpha (e^x - 1)"};
}
void Elu::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); }
void Elu::infer(InferContext& context) const { infer_unary(context, Types::floats); }
void Elu::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha](auto x) {
    return x >= 0 ? x : static_cast<decltype(x)>(alpha) * std::expm1(x);
  });
}

HONE_DEFINE_OP(Elu)

}  // namespace hone::ops
