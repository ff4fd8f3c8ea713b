#include "train/segmentation_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"
#include "data/image.hpp"
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

/// 0x0 when it cannot be read.
ImageSize size_of(const Sample& sample) {
  if (sample.pixels.defined()) return {static_cast<int>(sample.pixels.dim(0)), static_cast<int>(sample.pixels.dim(1))};
  if (sample.size.width > 0) return sample.size;
  try {
    return image_size(sample.path);
  } catch (const Error&) {
    return {};
  }
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

ImageSize segmentation_size(const Dataset& dataset) {
  constexpr size_t looked_at = 200;
  constexpr double most = 352 * 480;
  std::vector<double> areas, aspects;
  size_t step = std::max<size_t>(1, dataset.samples.size() / looked_at);
  for (size_t i = 0; i < dataset.samples.size(); i += step) {
    ImageSize size = size_of(dataset.samples[i]);
    if (size.width < 1 || size.height < 1) continue;
    areas.push_back(static_cast<double>(size.width) * size.height);
    aspects.push_back(static_cast<double>(size.width) / size.height);
  }
  if (areas.empty()) return {256, 256};
  double area = std::min(median(areas), most), aspect = std::clamp(median(aspects), 0.25, 4.0);
  auto side = [](double pixels) { return std::max(32, static_cast<int>(std::lround(pixels / 16)) * 16); };
  return {side(std::sqrt(area / aspect)), side(std::sqrt(area * aspect))};
}

void set_segmentation_defaults(TrainOptions& options, const Dataset& train, bool pretrained) {
  options.optimizer = OptimizerKind::adamw;
  options.learning_rate = 3e-3;
  options.weight_decay = 0.01;
  options.batch_size = 8;
  options.clip_gradient = 5;
  options.backbone_rate = 0.2;
  // In all; a pretrained network needs fewer.
  const int in_all = pretrained ? 12000 : 30000;
  auto images = static_cast<int>(std::max<size_t>(1, train.samples.size()));
  options.epochs = std::clamp(in_all / images, 20, 300);
}

TrainResult train_segmenter(Graph& model, const Splits& data, const TrainOptions& options,
                            const SegmentationOptions& segmentation, Progress& progress) {
  validate(segmentation);
  CheckedMasks train_masks = check_masks(data.train, "masks", progress);
  CheckedMasks validation_masks = check_masks(data.validation, "masks", progress);
  require_samples(train_masks, "training");
  require_samples(validation_masks, "validation");
  if (std::accumulate(train_masks.pixels.begin(), train_masks.pixels.end(), int64_t{0}) == 0)
    throw Error("data", "the masks of the training images label no pixel with a class",
                "check the coding of the masks with hone data check");
  Splits usable = data;
  usable.train = std::move(train_masks.dataset);
  usable.validation = std::move(validation_masks.dataset);
  SegmentationObjective objective(usable, options, segmentation,
                                  class_weights(train_masks.pixels, segmentation.class_balance));
  TrainResult result = train(model, usable, objective, options, progress);
  for (const CheckedMasks* masks : {&train_masks, &validation_masks})
    result.unreadable.insert(result.unreadable.end(), masks->skipped.begin(), masks->skipped.end());
  return result;
}

}  // namespace hone
