#include "train/classification/objective.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "data/metrics/hierarchy.hpp"
#include "data/metrics/segmentation.hpp"
#include "train/classifier_trainer.hpp"

namespace hone {

namespace {

constexpr double level_weight = 0.5;

at::Tensor labels(const Batch& batch, int64_t first, int64_t last) {
  at::Tensor target = at::empty({last - first}, at::kLong);
  std::copy(batch.labels.begin() + first, batch.labels.begin() + last, target.data_ptr<int64_t>());
  return target;
}

int64_t count_correct(const at::Tensor& logits, const at::Tensor& target) {
  return logits.detach().argmax(1).eq(target).sum().item<int64_t>();
}

/// 1 where a class holds: f32 [last - first, classes].
at::Tensor truth(const Dataset& dataset, const Batch& batch, int64_t first, int64_t last) {
  at::Tensor target = at::zeros({last - first, static_cast<int64_t>(dataset.classes.size())});
  auto rows = target.accessor<float, 2>();
  for (int64_t i = first; i < last; ++i)
    for (int label : dataset.samples[static_cast<size_t>(batch.indices[static_cast<size_t>(i)])].labels)
      rows[i - first][label] = 1;
  return target;
}

/// Membership of classes in groups.
at::Tensor group_matrix(const std::vector<int>& groups) {
  int count = *std::max_element(groups.begin(), groups.end()) + 1;
  at::Tensor matrix = at::zeros({static_cast<int64_t>(groups.size()), count});
  for (size_t i = 0; i < groups.size(); ++i) matrix[static_cast<int64_t>(i)][groups[i]] = 1;
  return matrix;
}

}  // namespace

/// Free sizes when they vary, logits instead of a final Softmax.
Graph AnyClassifierObjective::training_graph(const Graph& model) const {
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

ClassifierObjective::ClassifierObjective(const Splits& data, const TrainOptions& options)
    : AnyClassifierObjective(data, options) {
  for (const ClassLevel& level : levels_of_classes(data.train.classes)) levels_.push_back(group_matrix(level.group));
  std::vector<int64_t> present;
  std::vector<bool> used(data.train.classes.size(), false);
  for (const Sample& sample : data.train.samples)
    if (sample.label >= 0 && sample.label < static_cast<int>(used.size()))
      used[static_cast<size_t>(sample.label)] = true;
  for (size_t i = 0; i < used.size(); ++i) {
    place_.push_back(static_cast<int64_t>(present.size()));
    if (used[i]) present.push_back(static_cast<int64_t>(i));
  }
  if (present.size() == used.size()) return;
  present_ = at::tensor(present, at::kLong);
  for (at::Tensor& level : levels_) level = level.index_select(0, present_);
}

void ClassifierObjective::configure(LoaderOptions& loader, bool training) const {
  if (!training) return;
  loader.augment = options_.augment;
  loader.balanced = options_.balanced;
}

at::Tensor ClassifierObjective::loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                     int64_t last, ImageSize, PartSum&, double& metric_sum) const {
  at::Tensor target = labels(batch, first, last), logits = outputs[0];
  if (present_.defined()) {
    logits = logits.index_select(1, present_);
    auto* row = target.data_ptr<int64_t>();
    for (int64_t i = 0; i < target.size(0); ++i) row[i] = place_[static_cast<size_t>(row[i])];
  }
  metric_sum = static_cast<double>(count_correct(logits, target));
  at::Tensor sum = at::cross_entropy_loss(logits, target, {}, at::Reduction::Sum, -100, options_.label_smoothing);
  if (levels_.empty()) return sum;
  at::Tensor leaves = logits.softmax(1);
  for (const at::Tensor& level : levels_) {
    at::Tensor wanted = level.index_select(0, target).argmax(1, true);
    sum = sum - level_weight * leaves.matmul(level).gather(1, wanted).clamp_min(1e-12).log().sum();
  }
  return sum;
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

void MultiLabelObjective::configure(LoaderOptions& loader, bool training) const {
  if (training) loader.augment = options_.augment;
}

at::Tensor MultiLabelObjective::loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                     int64_t last, ImageSize, PartSum&, double& metric_sum) const {
  at::Tensor target = truth(data_.train, batch, first, last);
  metric_sum = (outputs[0].detach().gt(0).eq(target.gt(0.5))).to(at::kFloat).mean(1).sum().item<float>();
  double smooth = options_.label_smoothing;
  return at::binary_cross_entropy_with_logits(outputs[0], target * (1 - smooth) + smooth / 2, {}, {},
                                              at::Reduction::Sum);
}

void MultiLabelObjective::begin_validation() { scores_.assign(data_.validation.samples.size(), {}); }

double MultiLabelObjective::add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                                ImageSize) {
  at::Tensor logits = outputs[0].contiguous();
  auto classes = logits.size(1);
  {
    std::lock_guard lock(mutex_);
    for (int64_t i = first; i < last; ++i) {
      const float* row = logits.data_ptr<float>() + (i - first) * classes;
      scores_.at(static_cast<size_t>(batch.indices[static_cast<size_t>(i)])).assign(row, row + classes);
    }
  }
  at::Tensor target = truth(data_.validation, batch, first, last);
  return at::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::Sum).item<float>();
}

double MultiLabelObjective::metric() {
  std::vector<float> scores;
  std::vector<std::vector<int>> labels;
  for (size_t i = 0; i < scores_.size(); ++i) {
    if (scores_[i].empty()) continue;
    scores.insert(scores.end(), scores_[i].begin(), scores_[i].end());
    labels.push_back(data_.validation.samples[i].labels);
  }
  if (labels.empty()) return 0;
  auto images = static_cast<int64_t>(labels.size());
  return multi_label_map(Tensor::of<float>({images, static_cast<int64_t>(scores.size()) / images}, scores), labels);
}

std::unique_ptr<Objective> make_classifier_objective(const Splits& data, const TrainOptions& options) {
  if (data.train.task == Task::multi_label) return std::make_unique<MultiLabelObjective>(data, options);
  return std::make_unique<ClassifierObjective>(data, options);
}

}  // namespace hone
