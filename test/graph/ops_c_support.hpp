#pragma once
#include <gmock/gmock.h>

#include "ops_a_support.hpp"

namespace hone::testing_ops {

using Ints = std::vector<int64_t>;
using Strings = std::vector<std::string>;
using testing::HasSubstr;

/// All outputs of a node with `outputs` of them; undefined tensors are absent inputs.
inline std::vector<Tensor> run_outputs(const std::string& type, const std::vector<Tensor>& inputs,
                                       const Attributes& attributes, int outputs) {
  Graph graph;
  std::vector<Value*> values;
  for (const Tensor& tensor : inputs) values.push_back(tensor.defined() ? graph.add_constant("c", tensor) : nullptr);
  Node* node = graph.add(op_of(type, attributes), values, "node", outputs);
  for (Value* value : node->outputs()) graph.add_output("y", value);
  std::vector<Tensor> results = evaluate(graph, {});
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(node->output(i)->dtype(), results[i].dtype());
    EXPECT_TRUE(matches(node->output(i)->shape(), results[i].dims())) << type << " output " << i;
  }
  return results;
}

/// What the Error of evaluating the node says, with inputs that are not known when it is built.
inline std::string run_failure(const std::string& type, const std::vector<Tensor>& inputs,
                               const Attributes& attributes = {}) {
  try {
    Graph graph = one_node(type, inputs, attributes, false);
    std::vector<Tensor> present;
    for (const Tensor& tensor : inputs)
      if (tensor.defined()) present.push_back(tensor);
    evaluate(graph, present);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace hone::testing_ops
