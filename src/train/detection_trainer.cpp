#include "train/detection_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

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
  constexpr double least_steps = 1500, warmup_steps = 60, frozen_steps = 30;
  options.batch_size = 8;
  options.optimizer = OptimizerKind::adamw;
  options.learning_rate = 1e-3;
  options.final_learning_rate = 0.01;
  options.weight_decay = 0.02;
  options.clip_gradient = 10;
  options.backbone_rate = 0.2;
  options.ema_decay = 0.99;
  double steps = std::max(1.0, std::floor(static_cast<double>(train.samples.size()) / options.batch_size));
  options.epochs = static_cast<int>(std::clamp(std::round(least_steps / steps), 12.0, 300.0));
  options.warmup_epochs = warmup_steps / steps;
  options.warm_frozen_epochs = frozen_steps / steps;
}

ImageSize suggest_detection_size(const Dataset& train) {
  constexpr double usual_area = 320 * 416, largest_area = 512 * 512, wanted_side = 20;
  static constexpr int multiple = 32, least = 96;
  std::vector<double> aspects, sides, areas;
  for (const Sample& sample : train.samples) {
    if (sample.size.width < 1 || sample.size.height < 1) continue;
    double area = static_cast<double>(sample.size.width) * sample.size.height;
    aspects.push_back(static_cast<double>(sample.size.width) / sample.size.height);
    areas.push_back(area);
    for (const Annotation& object : sample.objects)
      if (object.box.area() > 0) sides.push_back(std::sqrt(object.box.area() / area));
  }
  auto quantile = [](std::vector<double>& values, double part, double otherwise) {
    if (values.empty()) return otherwise;
    auto place = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return *place;
  };
  double aspect = std::clamp(quantile(aspects, 0.5, 1), 0.4, 2.5), side = quantile(sides, 0.2, 1);
  double area = std::clamp(std::pow(wanted_side / side, 2), usual_area, largest_area);
  area = std::min(area, quantile(areas, 0.5, largest_area));  // enlarged images show nothing new
  auto rounded = [](double pixels) {
    return std::max(least, static_cast<int>(std::lround(pixels / multiple)) * multiple);
  };
  return {rounded(std::sqrt(area / aspect)), rounded(std::sqrt(area * aspect))};
}

TrainResult train_detector(Graph& model, const Splits& data, const TrainOptions& options,
                           const DetectionOptions& detection, Progress& progress) {
  DetectionObjective objective(model, data, options, detection);
  return train(model, data, objective, options, progress);
}

}  // namespace hone
