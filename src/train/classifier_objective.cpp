#include "train/classifier_objective.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

at::Tensor labels(const Batch& batch, int64_t first, int64_t last) {
  at::Tensor target = at::empty({last - first}, at::kLong);
  std::copy(batch.labels.begin() + first, batch.labels.begin() + last, target.data_ptr<int64_t>());
  return target;
}

int64_t count_correct(const at::Tensor& logits, const at::Tensor& target) {
  return logits.detach().argmax(1).eq(target).sum().item<int64_t>();
}

}  // namespace

/// Free sizes when they vary, logits instead of a final Softmax.
Graph ClassifierObjective::training_graph(const Graph& model) const {
  Graph graph = free_image_input(model, options_.preprocess, options_.start_size < 1);
  Value* logits = graph.outputs().at(0).value;
  if (logits->producer() && logits->producer()->is("Softmax")) graph.set_output(0, logits->producer()->input(0));
  logits = graph.outputs()[0].value;
  auto classes = static_cast<int64_t>(data_.train.classes.size());
  if (logits->shape().rank() != 2 || logits->shape()[1] != Dim(classes))
    throw Error(
        "output '" + graph.outputs()[0].name + "'",
        fmt::format("is {}, the data has {} classes: expected f32[N, {}]", to_string(logits->type), classes, classes));
  return graph;
}

void ClassifierObjective::configure(LoaderOptions& loader, bool training) const {
  if (!training) return;
  loader.augment = options_.augment;
  loader.balanced = options_.balanced;
}

at::Tensor ClassifierObjective::loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                     int64_t last, ImageSize, double& metric_sum) const {
  at::Tensor target = labels(batch, first, last);
  metric_sum = static_cast<double>(count_correct(outputs[0], target));
  return at::cross_entropy_loss(outputs[0], target, {}, at::Reduction::Sum, -100, options_.label_smoothing);
}

void ClassifierObjective::begin_validation() { correct_ = seen_ = 0; }

double ClassifierObjective::add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                                ImageSize) {
  at::Tensor target = labels(batch, first, last);
  int64_t correct = count_correct(outputs[0], target);
  {
    std::lock_guard lock(mutex_);
    correct_ += correct;
    seen_ += last - first;
  }
  return at::cross_entropy_loss(outputs[0], target, {}, at::Reduction::Sum).item<float>();
}

double ClassifierObjective::metric() {
  return static_cast<double>(correct_) / static_cast<double>(std::max<int64_t>(1, seen_));
}

}  // namespace hone
