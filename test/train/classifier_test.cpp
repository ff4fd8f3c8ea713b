#include "train/classifier_trainer.hpp"

#include <chrono>
#include <cmath>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "data/image.hpp"
#include "train/graph_module.hpp"
#include "train/templates/builder.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

constexpr int side = 24;

/// A disk, a square or a cross of a random color on a noisy background of another.
Tensor draw_shape(int shape, Rng& rng) {
  Tensor image(DType::u8, {side, side, 3});
  auto pixels = image.mutable_data<uint8_t>();
  double front[3], back[3];
  for (int c = 0; c < 3; ++c) front[c] = rng.uniform(130, 250), back[c] = rng.uniform(0, 90);
  double cx = rng.uniform(9, 15), cy = rng.uniform(9, 15), r = rng.uniform(5, 8);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      double dx = std::abs(x - cx), dy = std::abs(y - cy);
      bool inside = shape == 0   ? std::hypot(dx, dy) < r
                    : shape == 1 ? std::max(dx, dy) < r
                                 : std::max(dx, dy) < r && std::min(dx, dy) < 2;
      for (int c = 0; c < 3; ++c)
        pixels[static_cast<size_t>((y * side + x) * 3 + c)] =
            static_cast<uint8_t>(std::clamp((inside ? front[c] : back[c]) + rng.normal(0, 12), 0.0, 255.0));
    }
  }
  return image;
}

/// Train and validation folders of drawn shapes, made once.
class Shapes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    const char* names[] = {"disk", "square", "cross"};
    Rng rng(1);
    for (auto [split, count] : {std::pair{"train", 60}, std::pair{"val", 20}}) {
      for (int shape = 0; shape < 3; ++shape) {
        auto path = folder_->path() / split / names[shape];
        std::filesystem::create_directories(path);
        for (int i = 0; i < count; ++i)
          std::ofstream(path / (std::to_string(i) + ".png"), std::ios::binary) << encode_png(draw_shape(shape, rng));
      }
    }
    data_ = new Splits(read_image_folder(folder_->path(), {.threads = 1}));
  }
  static void TearDownTestSuite() {
    delete data_;
    delete folder_;
  }

  static Graph model(uint64_t seed = 1, int64_t classes = 3) {
    Graph graph;
    ModelBuilder build(graph, seed);
    Value* x = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, side, side});
    for (int i = 0; i < 3; ++i) {
      std::string name = "layer" + std::to_string(i);
      x = build.conv(x, {.out = 16 << i, .kernel = 3, .stride = i == 0 ? 1 : 2}, name);
      x = build.relu6(build.batch_norm(x, name + ".bn"), name + ".relu");
    }
    graph.add_output("logits", build.classifier(x, classes, 0.1, "classifier"));
    return graph;
  }

  static TrainOptions options() {
    TrainOptions o;
    o.preprocess = {.height = side, .width = side, .mean = {128, 128, 128}, .std = {64, 64, 64}};
    o.epochs = 3;
    o.batch_size = 16;
    o.learning_rate = 0.05;
    o.ema_decay = 0.9;
    o.threads = 1;
    o.loader_threads = 1;
    o.augment.min_area = 0.8;
    return o;
  }

  static TemporaryFolder* folder_;
  static Splits* data_;
};

TemporaryFolder* Shapes::folder_ = nullptr;
Splits* Shapes::data_ = nullptr;

std::vector<std::pair<double, double>> losses(const TrainResult& result) {
  std::vector<std::pair<double, double>> list;
  for (const EpochRecord& record : result.history) list.emplace_back(record.loss, record.validation_loss);
  return list;
}

/// Same weights, bit for bit.
void expect_same(const Graph& a, const Graph& b) {
  for (const Value* value : a.constants())
    EXPECT_TRUE(identical(value->constant(), b.find_value(value->name)->constant())) << value->name;
}

TEST_F(Shapes, AreLearned) {
  Graph graph = model();
  TrainOptions o = options();
  o.epochs = 24;
  o.start_size = 0.7;
  TrainResult result = train_classifier(graph, *data_, o);
  EXPECT_GT(result.best_metric, 0.9);
  EXPECT_EQ(result.stopped, StopReason::finished);
  ASSERT_EQ(result.history.size(), 24u);
  EXPECT_EQ(result.history.front().height, 16);
  EXPECT_EQ(result.history.back().height, side);
  EXPECT_LT(result.history.back().loss, result.history.front().loss);
  // The stored weights are those that were measured.
  GraphModule module(graph);
  int64_t correct = 0;
  for (const Sample& sample : data_->validation.samples) {
    std::vector<float> pixels = decode_image(sample.path).to_floats();
    Tensor input(DType::f32, {1, 3, side, side});
    for (size_t i = 0; i < pixels.size(); ++i)
      input.mutable_data<float>()[i % 3 * side * side + i / 3] = (pixels[i] - 128) / 64;
    std::vector<float> scores = module.forward(std::vector<Tensor>{input})[0].to_floats();
    correct += std::max_element(scores.begin(), scores.end()) - scores.begin() == sample.label;
  }
  EXPECT_NEAR(static_cast<double>(correct) / static_cast<double>(data_->validation.samples.size()),
              result.best_metric, 1e-9);
}

TEST_F(Shapes, SameSeedSameResult) {
  Graph a = model(), b = model();
  TrainOptions o = options();
  o.epochs = 1;
  auto first = losses(train_classifier(a, *data_, o));
  o.loader_threads = 2;
  EXPECT_EQ(first, losses(train_classifier(b, *data_, o)));
  expect_same(a, b);
  o.seed = 1;
  Graph c = model();
  EXPECT_NE(first, losses(train_classifier(c, *data_, o)));
}

/// Normalization is by the whole batch, and dropout does not depend on who draws.
TEST_F(Shapes, AnyNumberOfThreadsGivesTheSameLosses) {
  TrainOptions o = options();
  o.batch_size = 15;
  o.epochs = 2;
  Graph one = model();
  auto expected = losses(train_classifier(one, *data_, o));
  for (int threads : {2, 16}) {  // of uneven parts, and more threads than images
    o.threads = threads;
    Graph graph = model();
    auto found = losses(train_classifier(graph, *data_, o));
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i].first, expected[i].first, 1e-4 * expected[i].first) << threads;
      EXPECT_NEAR(found[i].second, expected[i].second, 1e-4 * expected[i].second) << threads;
    }
    for (const Value* value : one.constants()) {
      if (value->dtype() != DType::f32) continue;
      EXPECT_LT(difference(value->constant(), graph.find_value(value->name)->constant()), 1e-3) << value->name;
    }
  }
}

struct Killed {};

TEST_F(Shapes, AKilledRunContinuesToTheSameResult) {
  TrainOptions o = options();
  o.start_size = 0.7;
  o.threads = 2;
  Graph whole = model();
  TrainResult expected = train_classifier(whole, *data_, o);
  int64_t batches = 180 / 16;
  // Killed with the checkpoint of this very batch, some batches after one, and right after an epoch's.
  for (auto [kill_at, every] : {std::pair<int64_t, int64_t>{batches + 4, 4}, {2 * batches + 3, 5}, {batches + 1, 0}}) {
    TemporaryFolder folder;
    o.checkpoint = folder.path() / "run.ckpt";
    o.checkpoint_batches = every;
    o.resume = false;
    o.on_step = [kill_at = kill_at](int64_t step) {
      if (step == kill_at) throw Killed();
    };
    Graph graph = model();
    EXPECT_THROW(train_classifier(graph, *data_, o), Killed);
    o.on_step = nullptr;
    o.resume = true;
    Graph other_start = model(99);  // the weights come from the checkpoint
    TrainResult result = train_classifier(other_start, *data_, o);
    EXPECT_EQ(losses(result), losses(expected)) << "killed at " << kill_at;
    EXPECT_EQ(result.best_epoch, expected.best_epoch);
    expect_same(other_start, whole);
    // Resuming a finished run returns what it found.
    Graph again = model();
    EXPECT_EQ(losses(train_classifier(again, *data_, o)), losses(expected));
    expect_same(again, whole);
  }
}

TEST_F(Shapes, CtrlCSavesAndSaysHowToContinue) {
  TemporaryFolder folder;
  TrainOptions o = options();
  Graph whole = model();
  TrainResult expected = train_classifier(whole, *data_, o);
  o.checkpoint = folder.path() / "run.ckpt";
  o.on_step = [](int64_t step) {
    if (step == 13) request_interrupt();
  };
  Graph graph = model();
  try {
    train_classifier(graph, *data_, o);
    ADD_FAILURE() << "not interrupted";
  } catch (const Interrupted& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("--resume"), testing::HasSubstr("13 of 33 batches")));
  }
  clear_interrupt();
  o.on_step = nullptr;
  o.resume = true;
  EXPECT_EQ(losses(train_classifier(graph, *data_, o)), losses(expected));
}

TEST_F(Shapes, AFullDiskDoesNotEndARunThatHasACheckpoint) {
  TemporaryFolder folder;
  TrainOptions o = options();
  Graph whole = model();
  TrainResult expected = train_classifier(whole, *data_, o);
  o.checkpoint = folder.path() / "sub" / "run.ckpt";
  Graph graph = model();
  EXPECT_THROW(train_classifier(graph, *data_, o), Error) << "the folder is missing from the start";
  std::filesystem::create_directories(folder.path() / "sub");
  std::vector<std::string> messages;
  set_log_sink([&](LogLevel, const std::string& message) { messages.push_back(message); });
  o.on_epoch = [&](const EpochRecord& record) {
    if (record.epoch == 2) std::filesystem::rename(folder.path() / "sub", folder.path() / "moved");
  };
  Graph second = model();
  EXPECT_EQ(losses(train_classifier(second, *data_, o)), losses(expected));
  set_log_sink(nullptr);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_THAT(messages[0],
              testing::AllOf(testing::HasSubstr("run.ckpt"),
                             testing::HasSubstr("training goes on, the checkpoint stays that of batch 11")));
  // What was written before is whole.
  o.on_epoch = nullptr;
  o.checkpoint = folder.path() / "moved" / "run.ckpt";
  o.resume = true;
  Graph third = model(99);
  EXPECT_EQ(losses(train_classifier(third, *data_, o)), losses(expected));
}

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(Shapes, ForeignAndDamagedCheckpointsAreRefused) {
  TemporaryFolder folder;
  TrainOptions o = options();
  o.epochs = 1;
  o.checkpoint = folder.path() / "run.ckpt";
  Graph graph = model();
  auto resume = [&](const TrainOptions& with, const Splits& data, int64_t classes = 3) {
    Graph fresh = model(1, classes);
    return error_of([&] { train_classifier(fresh, data, with); });
  };
  o.resume = true;
  EXPECT_THAT(resume(o, *data_), testing::HasSubstr("run.ckpt"));  // there is none yet
  o.resume = false;
  train_classifier(graph, *data_, o);
  o.resume = true;
  EXPECT_EQ(resume(o, *data_), "no error");
  TrainOptions changed = o;
  changed.learning_rate = 0.06;
  EXPECT_THAT(resume(changed, *data_), testing::HasSubstr("learning_rate was 0.05, is 0.06"));
  changed = o;
  changed.threads = 2;
  EXPECT_EQ(resume(changed, *data_), "no error");
  changed.threads = 0;
  EXPECT_EQ(resume(changed, *data_), "no error");
  Splits fewer = *data_;
  fewer.train.samples.pop_back();
  EXPECT_THAT(resume(o, fewer), testing::HasSubstr("of other data"));
  Graph other;
  {
    ModelBuilder build(other, 1);
    Value* x = other.add_input("input", DType::f32, Shape{Dim::named("N"), 3, side, side});
    other.add_output("logits", build.classifier(build.conv(x, {.out = 8, .kernel = 3}, "c"), 3, 0, "classifier"));
  }
  EXPECT_THAT(error_of([&] { train_classifier(other, *data_, o); }), testing::HasSubstr("of another model"));
  std::string content = read_text_file(o.checkpoint);
  write_file(o.checkpoint, content.substr(0, content.size() / 2));
  EXPECT_THAT(resume(o, *data_), testing::HasSubstr("is cut off"));
}

TEST_F(Shapes, WrongModelsAndOptionsAreExplained) {
  TrainOptions o = options();
  auto run = [&](Graph graph, const TrainOptions& with) {
    return error_of([&] { train_classifier(graph, *data_, with); });
  };
  EXPECT_THAT(run(model(1, 4), o), testing::HasSubstr("the data has 3 classes"));
  TrainOptions bad = o;
  bad.preprocess.width = 48;
  EXPECT_THAT(run(model(), bad), testing::HasSubstr("24 x 48"));
  bad = o;
  bad.learning_rate = -1;
  EXPECT_THAT(run(model(), bad), testing::HasSubstr("learning_rate"));
  bad = o;
  bad.learning_rate = 100;
  bad.warmup_epochs = 0;
  bad.momentum = 0.999;
  bad.weight_decay = 0.5;
  bad.epochs = 20;
  EXPECT_THAT(run(model(), bad), testing::HasSubstr("lower the learning rate"));
  bad = o;
  bad.freeze = {"*"};
  EXPECT_THAT(run(model(), bad), testing::HasSubstr("no trainable constants"));
}

TEST_F(Shapes, StopsEarlyAndInTime) {
  TrainOptions o = options();
  o.epochs = 50;
  o.patience = 2;
  o.learning_rate = 1e-6;  // never improves
  o.ema_decay = 0;
  o.freeze = {"layer*"};
  Graph graph = model();
  TrainResult result = train_classifier(graph, *data_, o);
  EXPECT_EQ(result.stopped, StopReason::patience);
  EXPECT_EQ(static_cast<int64_t>(result.history.size()), result.best_epoch + 2);
  TrainOptions timed = options();
  timed.epochs = 100000;
  timed.max_minutes = 1.5 / 60;
  Graph second = model();
  result = train_classifier(second, *data_, timed);
  EXPECT_EQ(result.stopped, StopReason::time);
  EXPECT_LT(result.history.back().learning_rate, 0.2 * timed.learning_rate) << "the schedule ends with the time";
}

struct Lines : Progress {
  void begin(const std::string&, int64_t total) override { totals.push_back(total); }
  void update(int64_t, const std::string& detail) override { details.push_back(detail); }
  void end(const std::string&) override {}
  std::vector<int64_t> totals;
  std::vector<std::string> details;
};

/// From the first batch on the time left is never more than the limit allows, and it runs out with the run.
TEST_F(Shapes, TheTimeLeftFollowsTheLimit) {
  TrainOptions o = options();
  o.epochs = 1000;
  o.max_minutes = 2.0 / 60;
  Lines lines;
  auto start = std::chrono::steady_clock::now();
  Graph graph = model();
  std::vector<double> left;
  o.on_step = [&](int64_t) {
    double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    size_t at = lines.details.back().rfind("  ");
    if (!lines.details.back().ends_with(" s left")) return;  // the last one
    left.push_back(std::stod(lines.details.back().substr(at)));
    EXPECT_LE(left.back(), std::max(0.0, 2 - passed) + 1) << lines.details.back();
  };
  TrainResult result = train_classifier(graph, *data_, o, lines);
  EXPECT_EQ(result.stopped, StopReason::time);
  ASSERT_GT(left.size(), 5u);
  EXPECT_LE(left.back(), 1);
  for (size_t i = 1; i < left.size(); ++i) EXPECT_LE(left[i], left[i - 1] + 1) << i;
}

TEST_F(Shapes, TrainsAModelThatEndsInSoftmax) {
  Graph graph = model();
  auto op = make_op("", "Softmax");
  Value* logits = graph.outputs()[0].value;
  graph.set_output(0, graph.add(std::move(op), {logits}, "softmax")->output());
  TrainOptions o = options();
  o.epochs = 1;
  Graph plain = model();
  auto expected = losses(train_classifier(plain, *data_, o));
  EXPECT_EQ(losses(train_classifier(graph, *data_, o)), expected);
}

}  // namespace
}  // namespace hone
