#include "train/test_util.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace hone {

Tensor random_tensor(const Dims& dims, Rng& rng, double low, double high) {
  Tensor tensor(DType::f32, dims);
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(rng.uniform(low, high));
  return tensor;
}

Node* TestGraph::node(const std::string& type, std::vector<Value*> inputs, const Attributes& attributes, int outputs,
                      const std::string& domain) {
  auto made = make_op(domain, type);
  if (!made) throw std::runtime_error("no op " + type);
  if (!set_attributes(*made, attributes).empty()) throw std::runtime_error("unknown attribute of " + type);
  return graph.add(std::move(made), std::move(inputs), type, outputs);
}

Value* TestGraph::batch_norm(Value* x, const std::string& name) {
  int64_t channels = x->shape()[1].value;
  return op("BatchNormalization", {x, floats(name + ".scale", {channels}, 0.5, 1.5), floats(name + ".bias", {channels}),
                                   floats(name + ".mean", {channels}), floats(name + ".var", {channels}, 0.5, 2)});
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.dims() != b.dims() || a.dtype() != b.dtype()) return std::numeric_limits<double>::infinity();
  std::vector<float> x = a.to_floats(), y = b.to_floats();
  double worst = 0, scale = 1;
  for (float value : y) scale = std::max(scale, static_cast<double>(std::abs(value)));
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) || std::isnan(y[i])) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, static_cast<double>(std::abs(x[i] - y[i])));
  }
  return worst / scale;
}

}  // namespace hone
