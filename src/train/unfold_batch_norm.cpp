#include "train/unfold_batch_norm.hpp"

#include <algorithm>
#include <thread>

#include <ATen/ATen.h>

#include "base/interrupt.hpp"
#include "data/loader.hpp"
#include "graph/ops/nn/normalization/batch_normalization.hpp"
#include "train/objective.hpp"
#include "train/replicas.hpp"

namespace hone {

namespace {

constexpr size_t images_looked_at = 64;
constexpr int images_at_once = 8;
/// Folding leaves many filters tiny, which a step of the usual size would spoil; behind a normalization their scale is
/// free.
constexpr double least_filter_deviation = 0.1;

/// The convolutions of the part, empty when it has normalizations.
std::vector<Node*> folded_convolutions(const Graph& model, const std::string& prefix) {
  std::vector<Node*> found;
  for (Node* node : model.node_list()) {
    bool inside = node->input(1) && node->input(1)->is_constant() && node->input(1)->name.starts_with(prefix);
    if (inside && node->is("BatchNormalization")) return {};
    bool alone = inside && node->input(1)->uses().size() == 1 && node->input(1)->shape().rank() == 4;
    if (alone && node->is("Conv") && node->input(2) && node->input(2)->is_constant() &&
        node->input(2)->uses().size() == 1)
      found.push_back(node);
  }
  return found;
}

Dataset some_of(const Dataset& dataset) {
  Dataset some = dataset;
  size_t count = dataset.samples.size();
  some.samples.clear();
  for (size_t i = 0; i < std::min(count, images_looked_at); ++i)
    some.samples.push_back(dataset.samples[i * count / std::min(count, images_looked_at)]);
  return some;
}

struct Moments {
  at::Tensor sum, squares;
  double count = 0;
};

/// Of each convolution's output, by channel.
std::vector<Moments> measure(const Graph& model, const std::vector<Node*>& convolutions, const Dataset& train,
                             const TrainOptions& options) {
  Graph graph = model.clone();
  size_t first = graph.outputs().size();
  for (const Node* node : convolutions) graph.add_output("", graph.find_value(node->output()->name));
  ReplicaThreads threads(1);
  Replicas network(graph, {}, 1, false);
  LoaderOptions loader;
  loader.batch_size = images_at_once;
  loader.height = static_cast<int>(options.preprocess.height);
  loader.width = static_cast<int>(options.preprocess.width);
  loader.threads = 1;
  loader.cache_bytes = 0;
  BatchLoader batches(some_of(train), loader);
  std::vector<Moments> moments(convolutions.size());
  at::NoGradGuard no_grad;
  while (auto batch = batches.next()) {
    std::vector<at::Tensor> outputs =
        network.main().forward({normalized_images(*batch, 0, batch->images.dim(0), options.preprocess)}, false);
    for (size_t i = 0; i < moments.size(); ++i) {
      const at::Tensor& x = outputs[first + i];
      at::Tensor sum = x.sum({0, 2, 3}), squares = (x * x).sum({0, 2, 3});
      Moments& m = moments[i];
      m.sum = m.sum.defined() ? m.sum + sum : sum;
      m.squares = m.squares.defined() ? m.squares + squares : squares;
      m.count += static_cast<double>(x.numel() / x.size(1));
    }
    check_interrupt("training");
  }
  return moments;
}

/// What each filter is multiplied by so that its weights have that root mean square at least: [filters].
at::Tensor enlargement(const at::Tensor& weights) {
  at::Tensor deviation = (weights * weights).mean({1, 2, 3}).sqrt().clamp_min(1e-6);
  return (least_filter_deviation / deviation).clamp_min(1);
}

}  // namespace

int unfold_batch_norms(Graph& model, const std::string& prefix, const Dataset& train, const TrainOptions& options) {
  std::vector<Node*> convolutions = folded_convolutions(model, prefix);
  if (convolutions.empty()) return 0;
  std::vector<Moments> moments = measure(model, convolutions, train, options);
  for (size_t i = 0; i < convolutions.size(); ++i) {
    Node* node = convolutions[i];
    const Moments& m = moments[i];
    auto op = std::make_unique<ops::BatchNormalization>();
    at::Tensor mean = m.sum / m.count, variance = (m.squares / m.count - mean * mean).clamp_min(0);
    at::Tensor weights = torch_ops::to_torch(node->input(1)->constant(), "weights");
    at::Tensor bias = torch_ops::to_torch(node->input(2)->constant(), "bias"), factor = enlargement(weights);
    model.set_constant(node->input(1), torch_ops::from_torch(weights * factor.reshape({-1, 1, 1, 1})));
    model.set_constant(node->input(2), torch_ops::from_torch(bias * factor));
    at::Tensor inner_mean = mean * factor, inner_variance = variance * factor * factor;
    at::Tensor deviation = (inner_variance + static_cast<double>(op->epsilon)).sqrt() / factor;
    std::string name = node->input(1)->name + ".norm";
    auto constant = [&](const char* suffix, const at::Tensor& values) {
      return model.add_constant(name + suffix, torch_ops::from_torch(values));
    };
    Value *scale = constant(".scale", deviation), *shift = constant(".shift", mean);
    Value *running_mean = constant(".mean", inner_mean), *running_variance = constant(".variance", inner_variance);
    Value* output = node->output();
    // Behind the convolution, whose position in the list comes before all that read it.
    auto& nodes = model.nodes();
    auto at = std::find_if(nodes.begin(), nodes.end(), [&](const auto& other) { return other.get() == node; });
    Node* next = std::next(at) == nodes.end() ? nullptr : std::next(at)->get();
    std::vector<Value*> inputs{output, scale, shift, running_mean, running_variance};
    Node* norm = next ? model.insert_before(next, std::move(op), inputs, name) : model.add(std::move(op), inputs, name);
    model.replace_uses_except(output, norm->output(), norm);
  }
  return static_cast<int>(convolutions.size());
}

}  // namespace hone
