#include "graph/ops/control/if.hpp"

#include <fmt/format.h>

namespace hone::ops {

OpSpec If::spec() const {
  return {.min_inputs = 1, .max_inputs = -1, .min_outputs = 1, .max_outputs = -1, .traits = body_traits(),
          .summary = "y = then_branch() if the condition holds, else_branch() otherwise"};
}

void If::attributes(AttributeVisitor& visitor) {
  visitor.field("captures", captures);
  visitor.field("then_branch", then_branch);
  visitor.field("else_branch", else_branch);
}

std::vector<BodyInput> If::body_inputs(const InferContext& context, size_t index) const {
  checked_body(context, index ? else_branch : then_branch, index ? "else_branch" : "then_branch", 0);
  std::vector<BodyInput> inputs;
  append_captures(context, inputs);
  return inputs;
}

void If::infer(InferContext& context) const {
  if (own_inputs(context.input_count()) != 1)
    context.fail(fmt::format("has {} inputs of its own, expected the condition", own_inputs(context.input_count())));
  if (context.dtype(0) != DType::boolean && context.dtype(0) != DType::undefined)
    context.fail(fmt::format("has a condition of type {}, expected bool", name_of(context.dtype(0))));
  std::vector<BodyOutput> branch[2];
  for (size_t b = 0; b < 2; ++b) {
    std::vector<BodyInput> inputs = body_inputs(context, b);
    branch[b] = infer_body(context, b ? *else_branch : *then_branch, inputs);
    if (branch[b].size() != context.output_count())
      context.fail(fmt::format("graph '{}' has {} outputs, the node {}", b ? "else_branch" : "then_branch",
                               branch[b].size(), context.output_count()));
  }
  const Tensor* condition = context.constant(0);
  if (condition && (condition->size() != 1 || condition->dtype() != DType::boolean)) condition = nullptr;
  for (size_t i = 0; i < context.output_count(); ++i) {
    const BodyOutput &yes = branch[0][i], &no = branch[1][i];
    if (yes.type.dtype != no.type.dtype)
      context.fail(fmt::format("output {} is {} in one branch and {} in the other", i, name_of(yes.type.dtype),
                               name_of(no.type.dtype)));
    if (condition) {
      const BodyOutput& taken = condition->data<bool>()[0] ? yes : no;
      context.set_output(i, taken.type.dtype, taken.type.shape);
      if (taken.dims_value) context.set_dims_value(i, *taken.dims_value);
      continue;
    }
    context.set_output(i, yes.type.dtype, common_shape(yes.type.shape, no.type.shape));
    if (yes.dims_value && yes.dims_value == no.dims_value) context.set_dims_value(i, *yes.dims_value);
  }
}

void If::run(EvalContext& context, RunBody run_body) const {
  const Tensor& condition = context.in(0);
  if (condition.dtype() != DType::boolean || condition.size() != 1)
    context.fail(fmt::format("has a condition {}{}, expected one bool", name_of(condition.dtype()),
                             to_string(condition.dims())));
  std::vector<Tensor> inputs;
  append_captures(context, inputs);
  std::vector<Tensor> outputs = run_body(condition.data<bool>()[0] ? 0 : 1, inputs);
  for (size_t i = 0; i < outputs.size(); ++i) context.set(i, outputs[i]);
}

HONE_DEFINE_OP(If)

}  // namespace hone::ops
