#include "graph/ops/activation/thresholded_relu.hpp"

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec ThresholdedRelu::spec() const {
  return {.traits = activation_traits, .summary = "y = x if x > alpha else 0"};
}
void ThresholdedRelu::attributes(AttributeVisitor& visitor) { visitor.field("alpha", alpha); }
void ThresholdedRelu::infer(InferContext& context) const { infer_unary(context, Types::floats); }
void ThresholdedRelu::evaluate(EvalContext& context) const {
  evaluate_unary_float(context, [alpha = alpha](auto x) {
    return x > static_cast<decltype(x)>(alpha) ? x : decltype(x)(0);
  });
}

HONE_DEFINE_OP(ThresholdedRelu)

}  // namespace hone::ops
