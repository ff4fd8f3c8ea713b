#pragma once
#include <initializer_list>
#include <string>
#include <vector>

#include "data/random.hpp"
#include "graph/graph.hpp"
#include "temporary_folder.hpp"

namespace hone {

Tensor random_tensor(const Dims& dims, Rng& rng, double low = -1, double high = 1);

/// Small graphs in few words.
class TestGraph {
 public:
  explicit TestGraph(uint64_t seed = 1) : rng(seed) {}
  Value* input(const std::string& name, const Dims& dims) { return graph.add_input(name, DType::f32, Shape(dims)); }
  Value* floats(const std::string& name, const Dims& dims, double low = -1, double high = 1) {
    return graph.add_constant(name, random_tensor(dims, rng, low, high));
  }
  Value* ints(std::vector<int64_t> values) {
    Dims dims{static_cast<int64_t>(values.size())};
    return graph.add_constant("ints", Tensor::of<int64_t>(dims, values));
  }
  Value* scalar(float value) { return graph.add_constant("scalar", Tensor::scalar(value)); }
  Value* op(const std::string& type, std::vector<Value*> inputs, const Attributes& attributes = {},
            const std::string& domain = "") {
    return node(type, std::move(inputs), attributes, 1, domain)->output();
  }
  Node* node(const std::string& type, std::vector<Value*> inputs, const Attributes& attributes, int outputs,
             const std::string& domain = "");
  Value* batch_norm(Value* x, const std::string& name);

  Graph graph;
  Rng rng;
};

/// max |a - b| / max(1, max |b|); infinite when sizes differ.
double difference(const Tensor& a, const Tensor& b);

}  // namespace hone
