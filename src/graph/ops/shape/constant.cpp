#include "graph/ops/shape/constant.hpp"

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec Constant::spec() const { return {.min_inputs = 0, .max_inputs = 0, .summary = "y = a tensor of the model"}; }

void Constant::attributes(AttributeVisitor& visitor) {
  visitor.field("value", value);
  visitor.field("value_float", value_float);
  visitor.field("value_floats", value_floats);
  visitor.field("value_int", value_int);
  visitor.field("value_ints", value_ints);
  visitor.field("value_string", value_string);
  visitor.field("value_strings", value_strings);
}

namespace {
/// The tensor that the fields describe; an undefined one when none is set.
Tensor tensor_of(const Constant& op) {
  auto length = [](const auto& list) { return Dims{static_cast<int64_t>(list.size())}; };
  if (op.value.defined()) return op.value;
  if (op.value_float) return Tensor::scalar(*op.value_float);
  if (op.value_int) return Tensor::scalar(*op.value_int);
  if (!op.value_floats.empty()) return Tensor::of(length(op.value_floats), op.value_floats);
  if (!op.value_ints.empty()) return Tensor::of(length(op.value_ints), op.value_ints);
  if (!op.value_string.empty()) return {Dims{}, std::vector<std::string>{op.value_string}};
  if (!op.value_strings.empty()) return {length(op.value_strings), op.value_strings};
  return {};
}
}  // namespace

void Constant::infer(InferContext& context) const {
  Tensor tensor = tensor_of(*this);
  if (!tensor.defined()) context.fail("has no value", "sparse values are not supported; make the tensor dense");
  context.set_output(0, tensor.dtype(), Shape(tensor.dims()));
  if (tensor.rank() > 1 || tensor.size() > 64 || !is_integer(tensor.dtype())) return;
  std::vector<Dim> sizes;
  for (int64_t number : tensor.to_ints()) {
    if (number < 0) return;
    sizes.emplace_back(number);
  }
  context.set_dims_value(0, std::move(sizes));
}

void Constant::evaluate(EvalContext& context) const {
  Tensor tensor = tensor_of(*this);
  if (!tensor.defined()) context.fail("has no value", "sparse values are not supported; make the tensor dense");
  context.set(0, tensor);
}

HONE_DEFINE_OP(Constant)

}  // namespace hone::ops
