#include "train/detection_trainer.hpp"

#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/metrics/detection.hpp"
#include "data/random.hpp"
#include "devices/devices.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"
#include "train/detection/objective.hpp"
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
      int width = rng.between(12, 30), height = rng.between(12, 30), x = rng.between(0, side - width),
          y = rng.between(0, side - height);
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
  options.threads = 1;
  options.ema_decay = 0.97;
  options.warm_frozen_epochs = 0;
  return options;
}

/// The mAP of a shipped detector, run as users run it.
double shipped_map(const Graph& shipped, const Dataset& set) {
  Session session(load(shipped));
  std::vector<Detection> found;
  for (size_t i = 0; i < set.samples.size(); ++i) {
    Tensor image = set.samples[i].pixels.reshaped({1, side, side, 3});
    Tensor rows = session.run(std::span(&image, 1))[0];
    for (const float* row = rows.data<float>().data(); row < rows.data<float>().data() + rows.size(); row += 7)
      found.push_back({static_cast<int>(i),
                       static_cast<int>(row[1]),
                       row[2],
                       {row[3], row[4], double{row[5]} - row[3], double{row[6]} - row[4]},
                       {}});
  }
  return voc_scores(set, found).map_area;
}

TEST(TrainDetector, LearnsRectanglesAndShipsWhatItMeasured) {
  Splits splits = data(48);
  for (const char* name : {"ssd_mobilenet_v2", "atss"}) {
    Graph model = small_detector(name);
    TrainOptions options = quick_options(splits, 9);
    TrainResult result = train_detector(model, splits, options);
    EXPECT_EQ(result.metric_name, "mAP50");
    EXPECT_GT(result.best_metric, 0.5) << name;
    EXPECT_NEAR(shipped_map(finish_detector(model, options.preprocess), splits.validation), result.best_metric, 0.02)
        << name;
  }
}

TEST(TrainDetector, TeachesYolox) {
  Splits splits = data(48);
  splits.train.classes = splits.validation.classes = {"thing"};
  for (Dataset* set : {&splits.train, &splits.validation})
    for (Sample& sample : set->samples)
      for (Annotation& object : sample.objects) object.label = 0;
  Graph model = build_template("yolox_nano", {.classes = 1, .height = side, .width_px = side, .seed = 3});
  TrainResult result = train_detector(model, splits, quick_options(splits, 20));
  EXPECT_GT(result.best_metric, 0.2);
}

TEST(TrainDetector, ContinuesAsIfItHadNotStopped) {
  Splits splits = data(16);
  TrainOptions options = quick_options(splits, 4);
  options.threads = 2;
  DetectionOptions detection;
  detection.plain_end = 0.5;  // the run is stopped before the mosaic ends, and goes on behind that
  Graph whole = small_detector("atss"), stopped = small_detector("atss");
  TrainResult wanted = train_detector(whole, splits, options, detection);
  TemporaryFolder folder;
  options.checkpoint = folder / "checkpoint";
  struct Stop {};
  for (int64_t kill_at : {3, 6}) {
    options.checkpoint_batches = 1;
    options.on_step = [kill_at](int64_t step) {
      if (step == kill_at) throw Stop();
    };
    EXPECT_THROW(train_detector(stopped, splits, options, detection), Stop);
    options.resume = true;
  }
  options.on_step = nullptr;
  TrainResult result = train_detector(stopped, splits, options, detection);
  ASSERT_EQ(result.history.size(), wanted.history.size());
  for (size_t i = 0; i < wanted.history.size(); ++i) {
    EXPECT_EQ(result.history[i].loss, wanted.history[i].loss) << i;
    EXPECT_EQ(result.history[i].validation_metric, wanted.history[i].validation_metric) << i;
  }
  const char* weight = "box.last.weight";
  EXPECT_TRUE(identical(whole.find_value(weight)->constant(), stopped.find_value(weight)->constant()));
  detection.scene.crop = 0.1;
  EXPECT_THROW(train_detector(stopped, splits, options, detection), Error);  // another run than that of the checkpoint
}

TEST(DetectionDefaults, FollowTheSet) {
  Dataset set;
  for (int i = 0; i < 40; ++i) {
    Sample& sample = set.samples.emplace_back();
    sample.size = {480, 640};
    sample.objects.resize(2);
    for (Annotation& object : sample.objects) object.box = {10, 10, 100, 100};
  }
  EXPECT_EQ(suggest_detection_size(set), (ImageSize{320, 416}));
  TrainOptions options;
  set_detection_defaults(options, set);
  EXPECT_EQ(options.epochs, 300);  // 5 steps each
  EXPECT_NEAR(options.warmup_epochs, 12, 1e-9);
  for (Sample& sample : set.samples) sample.objects[0].box = {10, 10, 25, 25};  // half of them are small
  EXPECT_EQ(suggest_detection_size(set), (ImageSize{384, 512}));
  for (Sample& sample : set.samples) sample.size = {200, 100};  // small pictures stay small
  EXPECT_EQ(suggest_detection_size(set), (ImageSize{192, 96}));
  set.samples.assign(3000, set.samples[0]);
  set_detection_defaults(options, set);
  EXPECT_EQ(options.epochs, 12);
  EXPECT_EQ(suggest_detection_size(Dataset{}), (ImageSize{352, 352}));
}

TEST(TrainDetector, EndsWithPlainImages) {
  Splits splits = data(8);
  DetectionOptions detection;
  detection.scene.mosaic = 0.5;
  detection.plain_end = 0.25;
  DetectionObjective objective(small_detector("atss"), splits, quick_options(splits, 4), detection);
  LoaderOptions loader;
  EXPECT_FALSE(objective.start_epoch(0.5));
  objective.configure(loader, true);
  EXPECT_EQ(loader.scene->mosaic, 0.5);
  EXPECT_TRUE(objective.start_epoch(0.75));
  objective.configure(loader, true);
  EXPECT_EQ(loader.scene->mosaic, 0);
  EXPECT_GT(loader.scene->crop, 0);
  EXPECT_FALSE(objective.start_epoch(0.9));
  objective.configure(loader, false);
  EXPECT_EQ(loader.scene->crop, 0);
}

TEST(TrainDetector, TrainsAtSeveralSizes) {
  Splits splits = data(16);
  DetectionOptions detection;
  detection.scene.sizes = {{64, 64}, {96, 64}, {32, 96}};
  for (const char* name : {"ssd_mobilenet_v2", "atss", "yolox_nano"}) {
    Graph model = small_detector(name);
    TrainResult result = train_detector(model, splits, quick_options(splits, 2), detection);
    EXPECT_TRUE(std::isfinite(result.history[1].loss)) << name;
  }
  TrainOptions growing = quick_options(splits, 2);
  growing.start_size = 0.75;
  Graph ssd = small_detector("ssd_mobilenet_v2"), atss = small_detector("atss");
  EXPECT_EQ(train_detector(ssd, splits, growing).history[0].height, 48);
  EXPECT_THROW(train_detector(atss, splits, growing), Error);
  detection.scene.sizes = {{64, 72}};
  EXPECT_THROW(train_detector(atss, splits, quick_options(splits, 2), detection), Error);
}

TEST(TrainDetector, ToleratesWhatSetsHold) {
  Splits splits = data(16);
  splits.train.classes = splits.validation.classes = {"red", "blue", "never seen"};
  for (Annotation& object : splits.train.samples[0].objects) object.difficult = true;
  splits.train.samples[1].objects.assign(2, splits.train.samples[1].objects[0]);  // twice the same
  splits.train.samples[2].objects[0].box = {10, 10, 0.5, 0.5};                    // too small to be seen
  for (Sample& sample : splits.validation.samples) sample.objects.clear();
  for (const char* name : {"ssd_mobilenet_v2", "atss", "yolox_nano"}) {
    Graph model = build_template(name, {.classes = 3, .width = 0.25, .height = side, .width_px = side});
    TrainResult result = train_detector(model, splits, quick_options(splits, 1));
    EXPECT_TRUE(std::isfinite(result.history[0].loss)) << name;
    EXPECT_EQ(result.history[0].validation_metric, 0) << name;
  }
}

TEST(TrainDetector, SaysWhatDoesNotFit) {
  Splits splits = data(8);
  auto error = [&](Graph model, const Splits& with) {
    try {
      train_detector(model, with, quick_options(with, 1));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  Graph three = build_template("atss", {.classes = 3, .width = 0.25, .height = side, .width_px = side});
  EXPECT_THAT(error(std::move(three), splits), testing::HasSubstr("built for 3 classes, the data has 2"));
  Graph classifier = build_template("mobilenet_v2", {.classes = 2, .width = 0.25, .height = side, .width_px = side});
  EXPECT_THAT(error(std::move(classifier), splits), testing::HasSubstr("says nothing about its head"));
  DetectionOptions letterbox;
  letterbox.scene.fit = Fit::letterbox_center;
  Graph model = small_detector("atss");
  EXPECT_THROW(train_detector(model, splits, quick_options(splits, 1), letterbox), Error);
  Splits strange = splits;
  strange.train.samples[3].objects[0].label = 5;
  EXPECT_THAT(error(small_detector("atss"), strange), testing::HasSubstr("picture3: an object has label 5"));
  Splits empty = splits;
  for (Sample& sample : empty.train.samples) sample.objects.clear();
  EXPECT_THAT(error(small_detector("atss"), empty), testing::HasSubstr("none of the 8 images has an object"));
}

}  // namespace
}  // namespace hone
