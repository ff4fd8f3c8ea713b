#include "train/detection_trainer.hpp"

#include <cstring>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "data/random.hpp"
#include "train/templates.hpp"

namespace hone {
namespace {

constexpr int side = 64;

/// Noise with up to three rectangles: class 0 red, class 1 blue. Every eighth image has none.
Dataset rectangles(int count, uint64_t seed) {
  Dataset set;
  set.task = Task::detection;
  set.classes = {"red", "blue"};
  for (int i = 0; i < count; ++i) {
    Rng rng = Rng::of(seed, 0, static_cast<uint64_t>(i));
    Sample& sample = set.samples.emplace_back();
    sample.path = "picture" + std::to_string(i);
    sample.size = {side, side};
    sample.pixels = Tensor(DType::u8, {side, side, 3});
    auto pixels = sample.pixels.mutable_data<uint8_t>();
    for (uint8_t& value : pixels) value = static_cast<uint8_t>(80 + rng.below(60));
    for (int k = i % 8 == 7 ? 0 : rng.between(1, 3); k > 0; --k) {
      int width = rng.between(12, 30), height = rng.between(12, 30), x = rng.between(0, side - width), y = rng.between(0, side - height);
      Annotation object;
      object.label = rng.between(0, 1);
      object.box = {double(x), double(y), double(width), double(height)};
      bool hides = false;
      for (const Annotation& other : sample.objects) hides = hides || intersection(other.box, object.box) > 0;
      if (hides) continue;
      for (int row = y; row < y + height; ++row)
        for (int column = x; column < x + width; ++column) {
          uint8_t* pixel = &pixels[static_cast<size_t>(3 * (row * side + column))];
          pixel[0] = object.label == 0 ? 230 : 20, pixel[1] = 20, pixel[2] = object.label == 0 ? 20 : 230;
        }
      sample.objects.push_back(object);
    }
  }
  return set;
}

Splits data(int count = 64) {
  Splits splits;
  splits.train = rectangles(count, 1);
  splits.validation = rectangles(count / 3, 2);
  return splits;
}

Graph small_detector(const std::string& name) {
  return build_template(name, {.classes = 2, .width = 0.25, .height = side, .width_px = side, .seed = 3});
}

TrainOptions quick_options(const Splits& splits, int epochs) {
  TrainOptions options;
  set_detection_defaults(options, splits.train);
  options.preprocess = {.height = side, .width = side, .mean = {110, 110, 110}, .std = {60, 60, 60}};
  options.learning_rate = 5e-3;
  options.epochs = epochs;
  options.threads = 2;
  options.ema_decay = 0.97;
  options.warm_frozen_epochs = 0;
  return options;
}

TEST(TrainDetector, LearnsRectangles) {
  Splits splits = data();
  for (const char* name : {"ssd_mobilenet_v2", "atss", "yolox_nano"}) {
    Graph model = small_detector(name);
    TrainResult result = train_detector(model, splits, quick_options(splits, 24));
    for (auto& e : result.history) printf("%ld loss %.3f val %.3f map %.3f %.2fs\n", (long)e.epoch, e.loss, e.validation_loss, e.validation_metric, e.seconds);
    EXPECT_EQ(result.metric_name, "mAP50");
    EXPECT_GT(result.best_metric, 0.5) << name;
    EXPECT_LT(result.history.back().loss, result.history.front().loss / 2) << name;
    // What is stored is what was measured.
  }
}

}  // namespace
}  // namespace hone
