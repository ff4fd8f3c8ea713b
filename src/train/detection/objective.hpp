#pragma once
// Private to src/train: includes ATen.
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "data/metrics/detection.hpp"
#include "train/detection/match.hpp"
#include "train/detection_trainer.hpp"
#include "train/objective.hpp"

namespace hone {

/// Detection as a task of the training loop; see train_detector().
class DetectionObjective : public Objective {
 public:
  DetectionObjective(const Graph& model, const Splits& data, const TrainOptions& options,
                     const DetectionOptions& detection);

  Graph training_graph(const Graph& model) const override;
  void configure(LoaderOptions& loader, bool training) const override;
  bool start_epoch(double done) override;
  std::string describe() const override;
  at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                  ImageSize size, PartSum& parts, double& metric_sum) const override;
  bool has_training_metric() const override { return false; }
  void begin_validation() override;
  double add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
             ImageSize size) override;
  double metric() override;
  const char* metric_name() const override { return "mAP50"; }

 private:
  /// The head for one size of images.
  struct Sized {
    DetectorHead head;
    std::vector<Anchor> anchors;
    at::Tensor table;  ///< [anchors, 4]: x, y, width, height
  };
  const Sized& sized(ImageSize size, int64_t anchors) const;

  DetectorHead head_;
  const Splits& data_;
  Preprocess preprocess_;
  bool free_size_;
  DetectionOptions options_;
  bool plain_ = false;  ///< no mosaic and mix-up any more

  mutable std::mutex mutex_;
  mutable std::map<std::pair<int, int>, std::unique_ptr<Sized>> sized_;
  std::vector<Detection> found_;
  std::set<int> seen_;  ///< validation samples that were shown; a replacement for an unreadable one counts once
};

/// The loss of some images: raw outputs [images, anchors, ...], one assignment an image, summed over images. Objects
/// are counted over all parts of the batch.
struct LossInput {
  const DetectorHead& head;
  const at::Tensor& anchors;  ///< [anchors, 4]
  at::Tensor logits, boxes, objectness;
  const std::vector<MatchObjects>& objects;
  const std::vector<Assignment>& assignments;
  PartSum& parts = PartSum::alone();
};
at::Tensor ssd_loss(const LossInput& input);
at::Tensor atss_loss(const LossInput& input);
at::Tensor yolox_loss(const LossInput& input);

/// decode_box() with autograd: raw [n, 4] at anchors [n, 4] (x, y, width, height) as corners [n, 4].
at::Tensor decode_boxes(HeadKind kind, const at::Tensor& raw, const at::Tensor& anchors);

}  // namespace hone
