#include "quantize/methods/batch_norm.hpp"

#include <algorithm>
#include <vector>

#include "base/interrupt.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/observer.hpp"

namespace hone {

namespace {

struct Moments {
  std::vector<double> sum, square;
  double count = 0;

  void add(const Tensor& x) {
    size_t channels = static_cast<size_t>(x.dim(1)), inner = 1;
    for (int i = 2; i < x.rank(); ++i) inner *= static_cast<size_t>(x.dim(i));
    sum.resize(channels);
    square.resize(channels);
    auto data = x.data<float>();
    for (size_t i = 0; i < data.size(); ++i) {
      double value = data[i];
      sum[i / inner % channels] += value;
      square[i / inner % channels] += value * value;
    }
    count += static_cast<double>(data.size() / channels);
  }
  double mean(size_t c) const { return sum[c] / count; }
  double variance(size_t c) const { return std::max(0.0, square[c] / count - mean(c) * mean(c)); }
};

bool is_measurable(const Node& node) {
  return node.is("BatchNormalization") && constant_f32(node.input(3)) && constant_f32(node.input(4)) &&
         !node.input(0)->is_constant() && node.input(0)->dtype() == DType::f32;
}

void set_numbers(Graph& graph, Node* node, size_t input, const std::vector<float>& numbers) {
  const Value* old = node->input(input);
  graph.set_input(node, input,
                  graph.add_constant(old->name + "_measured", Tensor::of<float>(old->constant().dims(), numbers)));
}

}  // namespace

int measure_batch_norms(Graph& graph, const MakeRunner& make_runner, const SampleStream& samples, Progress& progress) {
  std::vector<Node*> norms = graph.node_list();
  std::erase_if(norms, [](const Node* node) { return !is_measurable(*node); });
  if (norms.empty()) return 0;
  progress.begin("measure batch norms", static_cast<int64_t>(norms.size()));
  int64_t done = 0;
  int measured = 0;
  for (Node* norm : norms) {
    Moments moments;
    Probe probe(graph, {norm->input(0)->name}, make_runner);
    for (const auto& inputs : samples.kept()) {
      check_interrupt("quantize");
      Tensor x = probe.run(inputs)[0];
      if (x.rank() > 1 && x.size() > 0) moments.add(x);
    }
    progress.update(++done);
    // The variance of a handful of numbers is noise.
    if (moments.count < 32 || static_cast<int64_t>(moments.sum.size()) != norm->input(3)->constant().size()) continue;
    std::vector<float> mean, variance;
    for (size_t c = 0; c < moments.sum.size(); ++c) {
      mean.push_back(static_cast<float>(moments.mean(c)));
      variance.push_back(static_cast<float>(moments.variance(c)));
    }
    set_numbers(graph, norm, 3, mean);
    set_numbers(graph, norm, 4, variance);
    ++measured;
  }
  progress.end();
  graph.remove_dead();
  return measured;
}

}  // namespace hone
