#pragma once
// Private to src/train: includes ATen.
#include <mutex>

#include "train/objective.hpp"

namespace hone {

/// One class an image: cross-entropy, accuracy.
class ClassifierObjective : public Objective {
 public:
  /// `data` and `options` must outlive the objective.
  ClassifierObjective(const Splits& data, const TrainOptions& options) : data_(data), options_(options) {}

  Graph training_graph(const Graph& model) const override;
  void configure(LoaderOptions& loader, bool training) const override;
  at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                  ImageSize size, double& metric_sum) const override;
  void begin_validation() override;
  double add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
             ImageSize size) override;
  double metric() override;
  const char* metric_name() const override { return "accuracy"; }

 private:
  const Splits& data_;
  const TrainOptions& options_;
  std::mutex mutex_;
  int64_t correct_ = 0, seen_ = 0;
};

}  // namespace hone
