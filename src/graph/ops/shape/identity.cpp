#include "graph/ops/shape/identity.hpp"

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

OpSpec Identity::spec() const {
  return {.traits = Trait::elementwise | Trait::layout_agnostic | Trait::view | Trait::scale_preserving,
          .summary = "y = x"};
}

void Identity::infer(InferContext& context) const {
  infer_same(context);
  if (auto value = context.dims_value(0)) context.set_dims_value(0, *value);
}

void Identity::evaluate(EvalContext& context) const { context.set(0, context.in(0)); }

HONE_DEFINE_OP(Identity)

}  // namespace hone::ops
