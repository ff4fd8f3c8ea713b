#include "graph/ops/activation/shrink.hpp"

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Shrink::spec() const {
  return {.traits = activation_traits, .summary = "y = x + bias if x < -lambd, x - bias if x > lambd, else 0"};
}
void Shrink::attributes(AttributeVisitor& visitor) { visitor.field("bias", bias); visitor.field("lambd", lambd); }
void Shrink::infer(InferContext& context) const { infer_unary(context, Types::numbers); }
void Shrink::evaluate(EvalContext& context) const {
  evaluate_unary(context, [this](auto x) {
    using T = decltype(x);
    using Real = std::conditional_t<std::is_same_v<T, float>, float, double>;
    Real real = static_cast<Real>(x);
    Real result = real < -lambd ? real + bias : real > lambd ? real - bias : 0;
    return from_double<T>(result);
  });
}

HONE_DEFINE_OP(Shrink)

}  // namespace hone::ops
