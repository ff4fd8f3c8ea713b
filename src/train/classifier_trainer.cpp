#include "train/classifier_trainer.hpp"

#include <algorithm>

#include "train/classification/objective.hpp"

namespace hone {

TrainResult train_classifier(Graph& model, const Splits& data, const TrainOptions& options, Progress& progress) {
  std::unique_ptr<Objective> objective = make_classifier_objective(data, options);
  return train(model, data, *objective, options, progress);
}

void set_backbone_defaults(TrainOptions& options, const Dataset& train) {
  options.optimizer = OptimizerKind::adamw;
  options.learning_rate = 3e-4;  // the last layer is fitted already, and features are easily spoiled
  options.backbone_rate = 0.5;
  options.weight_decay = 0.02;
  options.clip_gradient = 5;
  options.warmup_epochs = 1;
  options.ema_decay = 0.99;
  options.batch_size = 16;
  auto images = static_cast<int>(std::max<size_t>(1, train.samples.size()));
  options.epochs = std::clamp(25000 / images, 8, 100);
  // A pretrained network soon knows a small set by heart.
  options.augment.min_area = 0.35;
  options.augment.rotation = 10;
  options.augment.erase = 0.2;
}

}  // namespace hone
