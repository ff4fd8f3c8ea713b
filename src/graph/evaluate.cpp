#include <unordered_map>

#include <cstring>

#include "base/error.hpp"
#include "graph/graph.hpp"

namespace hone {

const Tensor& EvalContext::in(size_t i) const {
  if (!has(i)) fail("input " + std::to_string(i) + " is missing");
  return *inputs_[i];
}

Tensor& EvalContext::out(size_t i, DType dtype, const Dims& dims) {
  if (i >= outputs_.size()) fail("has no output " + std::to_string(i));
  Tensor& slot = outputs_[i];
  if (!slot.defined() || slot.dtype() != dtype || slot.dims() != dims) slot = Tensor(dtype, dims);
  return slot;
}

void EvalContext::set(size_t i, const Tensor& value) {
  if (i >= outputs_.size()) return;
  Tensor& slot = outputs_[i];
  if (slot.defined() && slot.dtype() == value.dtype() && slot.dims() == value.dims() && slot.dtype() != DType::string) {
    if (slot.bytes() > 0) std::memmove(slot.mutable_raw(), value.raw(), slot.bytes());
  } else {
    slot = value;
  }
}

void EvalContext::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(place_, problem, remedy);
}

std::vector<Tensor> evaluate_node(const Node& node, std::span<const Tensor* const> inputs) {
  std::vector<Tensor> outputs(node.outputs().size());
  EvalContext context(node.place(), inputs, outputs);
  node.op().evaluate(context);
  return outputs;
}

namespace {

std::vector<Tensor> run_nodes(const Graph& graph, std::span<const Tensor> inputs) {
  std::unordered_map<const Value*, Tensor> values;
  for (size_t i = 0; i < inputs.size(); ++i) values[graph.inputs()[i]] = inputs[i];
  std::unordered_map<const Value*, size_t> uses_left;
  for (auto& node : graph.nodes())
    for (const Value* input : node->inputs())
      if (input) ++uses_left[input];
  for (const GraphOutput& output : graph.outputs()) ++uses_left[output.value];
  for (auto& node : graph.nodes()) {
    std::vector<const Tensor*> arguments;
    for (const Value* input : node->inputs())
      arguments.push_back(!input ? nullptr : input->is_constant() ? &input->constant() : &values.at(input));
    std::vector<Tensor> results = evaluate_node(*node, arguments);
    for (size_t i = 0; i < results.size(); ++i) values[node->output(i)] = std::move(results[i]);
    for (const Value* input : node->inputs())
      if (input && --uses_left[input] == 0) values.erase(input);
  }
  std::vector<Tensor> results;
  for (const GraphOutput& output : graph.outputs())
    results.push_back(output.value->is_constant() ? output.value->constant() : values.at(output.value));
  return results;
}

void check_count(const Graph& graph, std::span<const Tensor> inputs) {
  if (inputs.size() != graph.inputs().size())
    throw Error("graph '" + graph.name + "'", "got " + std::to_string(inputs.size()) + " inputs, expected " +
                                                  std::to_string(graph.inputs().size()));
}

}  // namespace

std::vector<Tensor> evaluate(const Graph& graph, std::span<const Tensor> inputs) {
  check_count(graph, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value* input = graph.inputs()[i];
    if (inputs[i].dtype() != input->dtype() || !matches(input->shape(), inputs[i].dims()))
      throw Error("input '" + input->name + "'", std::string("got ") + name_of(inputs[i].dtype()) +
                                                     to_string(inputs[i].dims()) + ", expected " +
                                                     to_string(input->type));
  }
  return run_nodes(graph, inputs);
}

std::vector<Tensor> evaluate_body(const Graph& body, std::span<const Tensor> inputs) {
  check_count(body, inputs);
  return run_nodes(body, inputs);
}

}  // namespace hone
