#include "graph/ops/activation/leaky_relu.hpp"

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec LeakyRelu::spec() const {
  return {.traits = activation_traits, .summary = "y = x if x >= 0 else alpha x"};
}
void LeakyRelu::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); }
void LeakyRelu::infer(InferContext& context) const { infer_unary(context, Types::floats); }
void LeakyRelu::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha](auto x) {
    return x >= 0 ? x : static_cast<decltype(x)>(alpha) * x;
  });
}

HONE_DEFINE_OP(LeakyRelu)

}  // namespace hone::ops
