#include "base/error.hpp"
#include "graph/graph.hpp"
#include "graph/verify.hpp"

namespace hone {

std::string to_string(const Type& type) { return name_of(type.dtype) + to_string(type.shape); }

InferContext::InferContext(const Node& n) : node(n) {
  for (const Value* output : node.outputs()) outputs.push_back({output->type.dtype, Shape()});
  for (Type& type : outputs) type.dtype = DType::undefined;
  output_dims_values.resize(outputs.size());
}

size_t InferContext::input_count() const { return node.inputs().size(); }
size_t InferContext::output_count() const { return outputs.size(); }
bool InferContext::has_input(size_t i) const { return node.input(i) != nullptr; }

const Type& InferContext::input(size_t i) const {
  const Value* value = node.input(i);
  if (!value) fail("input " + std::to_string(i) + " is missing");
  return value->type;
}

const Tensor* InferContext::constant(size_t i) const {
  const Value* value = node.input(i);
  return value && value->is_constant() ? &value->constant() : nullptr;
}

std::optional<std::vector<Dim>> InferContext::dims_value(size_t i) const {
  const Value* value = node.input(i);
  return value ? value->dims_value : std::nullopt;
}

void InferContext::set_output(size_t i, DType dtype, Shape shape) {
  if (i < outputs.size()) outputs[i] = {dtype, std::move(shape)};
}

void InferContext::set_dims_value(size_t i, std::vector<Dim> value) {
  if (i < outputs.size()) output_dims_values[i] = std::move(value);
}

void InferContext::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(node.place(), problem, remedy);
}

namespace {
void check_counts(const Node& node) {
  OpSpec spec = node.op().spec();
  int inputs = static_cast<int>(node.inputs().size()), outputs = static_cast<int>(node.outputs().size());
  auto range = [](int low, int high) {
    if (high < 0) return "at least " + std::to_string(low);
    return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
  };
  if (inputs < spec.min_inputs || (spec.max_inputs >= 0 && inputs > spec.max_inputs))
    throw Error(node.place(),
                "has " + std::to_string(inputs) + " inputs, expected " + range(spec.min_inputs, spec.max_inputs));
  if (outputs < spec.min_outputs || (spec.max_outputs >= 0 && outputs > spec.max_outputs))
    throw Error(node.place(),
                "has " + std::to_string(outputs) + " outputs, expected " + range(spec.min_outputs, spec.max_outputs));
  for (int i = 0; i < spec.min_inputs; ++i)
    if (!node.input(static_cast<size_t>(i))) throw Error(node.place(), "input " + std::to_string(i) + " is missing");
}
}  // namespace

void infer_node(Node& node) {
  check_counts(node);
  InferContext context(node);
  node.op().infer(context);
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    if (has_huge_size(context.outputs[i].shape)) throw_huge_size(node.place(), context.outputs[i].shape);
    node.output(i)->type = context.outputs[i];
    node.output(i)->dims_value = context.output_dims_values[i];
  }
}

}  // namespace hone
