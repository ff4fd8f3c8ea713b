#include "train/detection_trainer.hpp"

#include <algorithm>

#include "train/detection/objective.hpp"

namespace hone {

SceneOptions DetectionOptions::small_set_scene() {
  SceneOptions scene;
  scene.flip = 0.5;
  scene.crop = 0.4;
  scene.expand = 0.25;
  scene.max_expand = 2;
  scene.brightness = scene.contrast = scene.saturation = 0.25;
  scene.hue = 0.015;
  scene.mosaic = 0.3;
  return scene;
}

void set_detection_defaults(TrainOptions& options, const Dataset& train) {
  constexpr int64_t least_steps = 1500;
  options.batch_size = 8;
  options.optimizer = OptimizerKind::adamw;
  options.learning_rate = 1e-3;
  options.final_learning_rate = 0.01;
  options.warmup_epochs = 2;
  options.weight_decay = 0.02;
  options.clip_gradient = 10;
  options.backbone_rate = 0.2;
  options.warm_frozen_epochs = 1;
  options.ema_decay = 0.99;
  int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(train.samples.size()) / options.batch_size);
  options.epochs = static_cast<int>(std::clamp<int64_t>(least_steps / steps, 20, 300));
}

TrainResult train_detector(Graph& model, const Splits& data, const TrainOptions& options, const DetectionOptions& detection,
                           Progress& progress) {
  DetectionObjective objective(model, data, options, detection);
  return train(model, data, objective, options, progress);
}

}  // namespace hone
