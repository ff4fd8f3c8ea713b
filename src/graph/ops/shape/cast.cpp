#include "graph/ops/shape/cast.hpp"

#include <fmt/format.h>

namespace hone::ops {

OpSpec Cast::spec() const {
  return {.traits = Trait::elementwise | Trait::layout_agnostic, .summary = "y = x in another element type"};
}

void Cast::attributes(AttributeVisitor& visitor) {
  visitor.field("saturate", saturate);
  visitor.field("to", to);
}

namespace {
template <class Context>
void check(Context& context, DType from, DType to) {
  auto numeric = [](DType type) { return size_of(type) > 0; };
  if (to != DType::string && !numeric(to))
    context.fail(fmt::format("attribute to is {}, which is not a type that Hone has", static_cast<int>(to)));
  if (from != to && (to == DType::string || from == DType::string))
    context.fail(fmt::format("casts {} to {}, only numbers can be cast", name_of(from), name_of(to)));
}
}  // namespace

void Cast::infer(InferContext& context) const {
  check(context, context.dtype(0), to);
  context.set_output(0, to, context.shape(0));
  // Shape arithmetic in floating point keeps whole numbers whole.
  if (auto value = context.dims_value(0); value && to != DType::boolean) context.set_dims_value(0, *value);
}

void Cast::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  check(context, x.dtype(), to);
  context.set(0, x.cast(to));
}

HONE_DEFINE_OP(Cast)

}  // namespace hone::ops
