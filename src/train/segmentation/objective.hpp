#pragma once
// Private to src/train: includes ATen.
#include <mutex>

#include "data/metrics/segmentation.hpp"
#include "train/objective.hpp"
#include "train/segmentation_trainer.hpp"

namespace hone {

/// One class a pixel: cross-entropy and Dice, mIoU.
class SegmentationObjective : public Objective {
 public:
  /// `weights`: of each class in the loss. The data and options must outlive the objective.
  SegmentationObjective(const Splits& data, const TrainOptions& options, const SegmentationOptions& segmentation,
                        std::vector<float> weights);

  Graph training_graph(const Graph& model) const override;
  void configure(LoaderOptions& loader, bool training) const override;
  std::string describe() const override;
  at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                  ImageSize size, PartSum& parts, double& metric_sum) const override;
  bool has_training_metric() const override { return false; }
  void begin_validation() override;
  double add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
             ImageSize size) override;
  double metric() override { return matrix_.mean_iou(); }
  const char* metric_name() const override { return "mIoU"; }

 private:
  const Splits& data_;
  const TrainOptions& options_;
  const SegmentationOptions& segmentation_;
  std::vector<float> weights_;
  std::mutex mutex_;
  SegmentationMatrix matrix_;
};

}  // namespace hone
