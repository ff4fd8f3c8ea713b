#pragma once
// Private to src/train: includes ATen.
#include <memory>
#include <mutex>

#include "train/objective.hpp"

namespace hone {

/// What the objectives of classifiers share.
class AnyClassifierObjective : public Objective {
 public:
  /// `data` and `options` must outlive the objective.
  AnyClassifierObjective(const Splits& data, const TrainOptions& options) : data_(data), options_(options) {}
  Graph training_graph(const Graph& model) const override;

 protected:
  const Splits& data_;
  const TrainOptions& options_;
  std::mutex mutex_;
};

/// One class an image: cross-entropy, accuracy. Classes without a training image take no part in the loss: what an
/// older model knew of them stays. Classes named "a/b" are leaves of a tree: the cross-entropy of each level above,
/// whose probabilities are sums over leaves, is added with half the weight.
class ClassifierObjective : public AnyClassifierObjective {
 public:
  ClassifierObjective(const Splits& data, const TrainOptions& options);

  void configure(LoaderOptions& loader, bool training) const override;
  at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                  ImageSize size, PartSum& parts, double& metric_sum) const override;
  void begin_validation() override;
  double add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
             ImageSize size) override;
  double metric() override;
  const char* metric_name() const override { return "accuracy"; }

 private:
  at::Tensor present_;              ///< the classes with training images; not defined: all
  std::vector<int64_t> place_;      ///< of each class in `present_`
  std::vector<at::Tensor> levels_;  ///< f32 [classes, groups]: 1 where a class is of a group
  int64_t correct_ = 0, seen_ = 0;
};

/// Any number of classes an image: binary cross-entropy, mean average precision over the classes.
class MultiLabelObjective : public AnyClassifierObjective {
 public:
  using AnyClassifierObjective::AnyClassifierObjective;

  void configure(LoaderOptions& loader, bool training) const override;
  at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                  ImageSize size, PartSum& parts, double& metric_sum) const override;
  void begin_validation() override;
  double add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
             ImageSize size) override;
  double metric() override;
  const char* metric_name() const override { return "mAP"; }

 private:
  std::vector<std::vector<float>> scores_;  ///< by validation image, so that the order of threads does not matter
};

/// By the task of the data.
std::unique_ptr<Objective> make_classifier_objective(const Splits& data, const TrainOptions& options);

}  // namespace hone
