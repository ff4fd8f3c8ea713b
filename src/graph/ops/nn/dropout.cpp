#include "graph/ops/nn/dropout.hpp"

#include <cstring>

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec Dropout::spec() const {
  return {.min_inputs = 1, .max_inputs = 3, .min_outputs = 1, .max_outputs = 2,
          .traits = Trait::elementwise | Trait::layout_agnostic | Trait::scale_preserving, .summary = "y = x"};
}

void Dropout::attributes(AttributeVisitor& visitor) { visitor.field("seed", seed); }

void Dropout::infer(InferContext& context) const {
  context.set_output(0, context.dtype(0), context.shape(0));
  context.set_output(1, DType::boolean, context.shape(0));
}

void Dropout::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  bool training = context.has(2) && context.in(2).scalar_as_double() != 0;
  double ratio = context.has(1) ? context.in(1).scalar_as_double() : 0.5;
  if (training && ratio != 0)
    context.fail("training_mode is true, this is inference", "export the model in evaluation mode");
  context.set(0, x);
  if (context.output_count() < 2) return;
  Tensor& mask = context.out(1, DType::boolean, x.dims());
  if (mask.bytes() > 0) std::memset(mask.mutable_raw(), 1, mask.bytes());
}

HONE_DEFINE_OP(Dropout)

}  // namespace hone::ops
