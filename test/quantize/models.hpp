#pragma once
#include <random>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "quantize/quantize.hpp"

namespace hone::test {

/// Builds small networks with random weights.
class Net {
 public:
  explicit Net(unsigned seed = 1) : random_(seed) {}

  Value* input(const std::string& name, Dims dims, DType dtype = DType::f32) {
    return graph.add_input(name, dtype, Shape(dims));
  }
  Tensor normal(Dims dims, float deviation, float mean = 0) {
    Tensor tensor(DType::f32, std::move(dims));
    std::normal_distribution<float> distribution(mean, deviation);
    for (float& value : tensor.mutable_data<float>()) value = distribution(random_);
    return tensor;
  }
  /// Same-size convolution with He-scaled weights.
  Value* conv(Value* x, int64_t outputs, int64_t kernel, const std::string& name, int64_t group = 1, int64_t stride = 1,
              bool bias = true) {
    int64_t inputs = x->shape()[1].value / group;
    auto op = std::make_unique<ops::Conv>();
    op->kernel_shape = {kernel, kernel};
    op->pads = Dims(4, kernel / 2);
    op->strides = {stride, stride};
    op->group = group;
    float deviation = std::sqrt(2.0F / static_cast<float>(inputs * kernel * kernel));
    Value* w = graph.add_constant(name + "/w", normal({outputs, inputs, kernel, kernel}, deviation));
    std::vector<Value*> arguments{x, w};
    if (bias) arguments.push_back(graph.add_constant(name + "/b", normal({outputs}, 0.2F)));
    return graph.add(std::move(op), arguments, name)->output();
  }
  Value* gemm(Value* x, int64_t outputs, const std::string& name) {
    int64_t inputs = x->shape()[1].value;
    auto op = std::make_unique<ops::Gemm>();
    op->transB = 1;
    Value* w = graph.add_constant(name + "/w", normal({outputs, inputs}, 1 / std::sqrt(static_cast<float>(inputs))));
    Value* b = graph.add_constant(name + "/b", normal({outputs}, 0.1F));
    return graph.add(std::move(op), {x, w, b}, name)->output();
  }
  Value* apply(const std::string& type, std::vector<Value*> inputs, const std::string& name,
               Attributes attributes = {}) {
    auto op = make_op("", type);
    if (op) set_attributes(*op, attributes);
    return graph.add(std::move(op), std::move(inputs), name)->output();
  }
  Value* relu(Value* x, const std::string& name) { return apply("Relu", {x}, name); }
  Value* relu6(Value* x, const std::string& name) {
    return apply("Clip", {x, scalar(0), scalar(6)}, name);
  }
  Value* scalar(float value) { return graph.add_constant("scalar", Tensor::scalar(value)); }
  Value* head(Value* x, int64_t classes) {
    return gemm(apply("Flatten", {apply("GlobalAveragePool", {x}, "gap")}, "flat"), classes, "fc");
  }
  void output(Value* value, const std::string& name = "y") { graph.add_output(name, value); }

  /// Weights of a layer with 32 inputs of which some always round down, and the others hold the scale where it is.
  static void round_down(Graph& graph, const std::string& name) {
    Value* value = graph.find_value(name);
    Tensor weights = value->constant().clone();
    auto data = weights.mutable_data<float>();
    for (size_t i = 0; i < data.size(); ++i) {
      size_t k = i % 32;
      float steps = k == 0 ? 127.0F : k % 5 == 1 ? (k % 2 ? 3.4F : 2.4F) : static_cast<float>(k * 7 % 13) - 6;
      data[i] = steps / 127;
    }
    graph.set_constant(value, weights);
  }

  Graph graph;

 private:
  std::mt19937 random_;
};

/// `count` samples of normal noise for every f32 input of the graph.
inline std::vector<std::vector<Tensor>> samples(const Graph& graph, int count, unsigned seed = 7) {
  Net net(seed);
  std::vector<std::vector<Tensor>> result;
  for (int i = 0; i < count; ++i) {
    result.emplace_back();
    for (const Value* input : graph.inputs()) result.back().push_back(net.normal(input->shape().concrete(), 1));
  }
  return result;
}

inline CalibrationSource source_of(const std::vector<std::vector<Tensor>>& samples) {
  return [&samples, next = size_t{0}](std::vector<Tensor>& tensors) mutable {
    if (next == samples.size()) return false;
    tensors = samples[next++];
    return true;
  };
}

/// Runs a graph by reference evaluation.
inline RunModel reference_runner(const Graph& graph) {
  auto copy = std::make_shared<Graph>(graph.clone());
  return [copy](std::span<const Tensor> inputs) { return evaluate(*copy, inputs); };
}

/// Signal to quantization noise of output 0 over samples, in decibels.
inline double sqnr(const Graph& exact, const Graph& quantized, const std::vector<std::vector<Tensor>>& samples) {
  double signal = 0, noise = 0;
  for (const auto& sample : samples) {
    Tensor expected = evaluate(exact, sample)[0], got = evaluate(quantized, sample)[0];
    auto a = expected.data<float>(), b = got.data<float>();
    for (size_t i = 0; i < a.size(); ++i) {
      signal += static_cast<double>(a[i]) * a[i];
      noise += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    }
  }
  return 10 * std::log10(signal / std::max(noise, 1e-30));
}

}  // namespace hone::test
