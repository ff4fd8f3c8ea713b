#pragma once
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// Appends nodes and constants to a graph, with a prefix in front of their names ("detector/").
class NodeWriter {
 public:
  NodeWriter(Graph& graph, std::string prefix) : graph_(graph), prefix_(std::move(prefix)) {}

  /// The output `wanted` of a new node with that many outputs; `type` is an ONNX op.
  Value* op(const char* type, const std::string& name, std::vector<Value*> inputs, const Attributes& attributes = {},
            int outputs = 1, size_t wanted = 0) {
    auto made = make_op("", type);
    set_attributes(*made, attributes);
    return graph_.add(std::move(made), std::move(inputs), prefix_ + name, outputs)->output(wanted);
  }
  Value* ints(const std::string& name, const std::vector<int64_t>& values) {
    return graph_.add_constant(prefix_ + name, Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  Value* number(const std::string& name, double value) {
    return graph_.add_constant(prefix_ + name, Tensor::scalar(static_cast<float>(value)));
  }
  Value* floats(const std::string& name, const Dims& dims, const std::vector<float>& values) {
    return graph_.add_constant(prefix_ + name, Tensor::of<float>(dims, values));
  }
  /// Elements [from, to) of an axis.
  Value* part(const std::string& name, Value* x, int64_t axis, int64_t from, int64_t to) {
    return op("Slice", name, {x, ints(name + ".from", {from}), ints(name + ".to", {to}), ints(name + ".axis", {axis})});
  }

 private:
  Graph& graph_;
  std::string prefix_;
};

}  // namespace hone
