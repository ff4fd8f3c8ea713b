#include "train/segmentation_trainer.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/segmentation/masks.hpp"
#include "train/segmentation/objective.hpp"

namespace hone {

namespace {

void validate(const SegmentationOptions& options) {
  validate(options.scene);
  auto check = [](const char* name, double value, double high) {
    if (!(value >= 0 && value <= high))
      throw Error(std::string("training option ") + name, fmt::format("is {}, expected 0 to {}", value, high));
  };
  check("class_balance", options.class_balance, 2);
  check("dice", options.dice, 100);
}

void require_samples(const CheckedMasks& masks, const char* part) {
  if (!masks.dataset.samples.empty()) return;
  if (masks.skipped.empty()) throw Error("data", fmt::format("has no {} images", part));
  throw Error("data", fmt::format("none of the {} {} images can be used", masks.skipped.size(), part),
              fmt::format("the first: {}: {}", masks.skipped[0].path.string(), masks.skipped[0].reason));
}

}  // namespace

void set_segmentation_defaults(TrainOptions& options, const Dataset& train) {
  options.optimizer = OptimizerKind::adamw;
  options.learning_rate = 3e-3;
  options.weight_decay = 0.01;
  options.batch_size = 8;
  options.clip_gradient = 5;
  options.backbone_rate = 0.2;
  // Some ten thousand images in all.
  auto images = static_cast<int>(std::max<size_t>(1, train.samples.size()));
  options.epochs = std::clamp(30000 / images, 20, 300);
}

TrainResult train_segmenter(Graph& model, const Splits& data, const TrainOptions& options,
                            const SegmentationOptions& segmentation, Progress& progress) {
  validate(segmentation);
  CheckedMasks train_masks = check_masks(data.train, "masks", progress);
  CheckedMasks validation_masks = check_masks(data.validation, "masks", progress);
  require_samples(train_masks, "training");
  require_samples(validation_masks, "validation");
  if (std::accumulate(train_masks.pixels.begin(), train_masks.pixels.end(), int64_t{0}) == 0)
    throw Error("data", "the masks of the training images label no pixel with a class", "check the coding of the masks with hone data check");
  Splits usable = data;
  usable.train = std::move(train_masks.dataset);
  usable.validation = std::move(validation_masks.dataset);
  SegmentationObjective objective(usable, options, segmentation, class_weights(train_masks.pixels, segmentation.class_balance));
  TrainResult result = train(model, usable, objective, options, progress);
  for (const CheckedMasks* masks : {&train_masks, &validation_masks})
    result.unreadable.insert(result.unreadable.end(), masks->skipped.begin(), masks->skipped.end());
  return result;
}

}  // namespace hone
