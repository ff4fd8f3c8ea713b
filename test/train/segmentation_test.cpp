#include "train/segmentation_trainer.hpp"

#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/image.hpp"
#include "data/mask_file.hpp"
#include "data/metrics/segmentation.hpp"
#include "train/graph_module.hpp"
#include "train/segmentation/masks.hpp"
#include "train/segmentation/pixel_loss.hpp"
#include "train/templates/segmentation_layers.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

constexpr int side = 32;

void write_mask(const std::filesystem::path& path, const Tensor& mask) {
  std::ofstream(path, std::ios::binary) << encode_png(mask);
}

/// A red square and a blue disk on gray; class 1 and 2 on 0, and a border that is not labelled.
Sample draw(const std::filesystem::path& folder, int number, Rng& rng) {
  Tensor image(DType::u8, {side, side, 3}), mask(DType::u8, {side, side});
  double sx = rng.uniform(8, 24), sy = rng.uniform(8, 24), dx = rng.uniform(8, 24), dy = rng.uniform(8, 24);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      int label = std::hypot(x - dx, y - dy) < 7 ? 2 : std::max(std::abs(x - sx), std::abs(y - sy)) < 6 ? 1 : 0;
      const double colors[3][3] = {{100, 100, 100}, {200, 60, 60}, {60, 60, 200}};
      auto at = static_cast<size_t>(y * side + x);
      for (size_t c = 0; c < 3; ++c)
        image.mutable_data<uint8_t>()[3 * at + c] =
            static_cast<uint8_t>(std::clamp(colors[label][c] + rng.normal(0, 20), 0.0, 255.0));
      mask.mutable_data<uint8_t>()[at] = x == 0 || y == 0 ? mask_ignore : static_cast<uint8_t>(label);
    }
  Sample sample;
  sample.path = folder / (std::to_string(number) + ".png");
  sample.pixels = image;
  sample.mask = folder / (std::to_string(number) + "_mask.png");
  write_mask(sample.mask, mask);
  return sample;
}

class Segmentation : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    data_ = new Splits;
    Rng rng(1);
    for (Dataset* part : {&data_->train, &data_->validation}) {
      part->classes = {"ground", "square", "disk"};
      part->task = Task::segmentation;
      for (int value = 0; value < 256; ++value)
        part->masks.class_of[static_cast<size_t>(value)] = static_cast<uint8_t>(value);
    }
    for (int i = 0; i < 40; ++i) data_->train.samples.push_back(draw(folder_->path(), i, rng));
    for (int i = 40; i < 52; ++i) data_->validation.samples.push_back(draw(folder_->path(), i, rng));
  }
  static void TearDownTestSuite() {
    delete data_;
    delete folder_;
  }

  static Graph model(int classes = 3, uint64_t seed = 1) {
    TemplateOptions options{.classes = classes, .height = side, .width_px = side, .seed = seed};
    Graph graph;
    ModelBuilder build(graph, seed);
    Value* x = segmenter_input(graph, options);
    Value* fine = conv_block(build, x, {.out = 8, .kernel = 3}, "fine");
    x = conv_block(build, fine, {.out = 16, .kernel = 3, .stride = 2}, "deep");
    x = conv_block(build, x, {.out = 8}, "reduce");
    add_scores(graph, build, build.concat({build.enlarge(x, 2, "enlarge"), fine}, "concat"), options);
    return graph;
  }

  static TrainOptions options() {
    TrainOptions o;
    set_segmentation_defaults(o, data_->train, false);
    o.preprocess = {.height = side, .width = side, .mean = {128, 128, 128}, .std = {64, 64, 64}};
    o.epochs = 3;
    o.ema_decay = 0.8;
    o.learning_rate = 0.01;
    o.threads = 2;
    o.loader_threads = 1;
    return o;
  }

  static TemporaryFolder* folder_;
  static Splits* data_;
};

TemporaryFolder* Segmentation::folder_ = nullptr;
Splits* Segmentation::data_ = nullptr;

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::pair<double, double>> losses(const TrainResult& result) {
  std::vector<std::pair<double, double>> list;
  for (const EpochRecord& record : result.history) list.emplace_back(record.loss, record.validation_loss);
  return list;
}

TEST_F(Segmentation, IsLearned) {
  Graph graph = model();
  TrainOptions o = options();
  o.epochs = 10;
  TrainResult result = train_segmenter(graph, *data_, o, {.dice = 0.5});
  EXPECT_EQ(result.metric_name, "mIoU");
  EXPECT_GT(result.best_metric, 0.75);  // all ground: 0.25
  EXPECT_LT(result.history.back().loss, 0.7 * result.history.front().loss);
  EXPECT_TRUE(result.unreadable.empty());
  // The stored weights are those that were measured.
  GraphModule module(graph);
  SegmentationMatrix matrix(3);
  for (const Sample& sample : data_->validation.samples) {
    std::vector<float> pixels = sample.pixels.to_floats();
    Tensor input(DType::f32, {1, 3, side, side});
    for (size_t i = 0; i < pixels.size(); ++i)
      input.mutable_data<float>()[i % 3 * side * side + i / 3] = (pixels[i] - 128) / 64;
    std::vector<float> scores = module.forward(std::vector<Tensor>{input})[0].to_floats();
    std::vector<uint8_t> best(side * side);
    for (size_t i = 0; i < best.size(); ++i)
      for (size_t c = 1; c < 3; ++c)
        if (scores[c * side * side + i] > scores[best[i] * size_t{side} * side + i]) best[i] = static_cast<uint8_t>(c);
    matrix.add(read_mask(sample.mask, data_->validation.masks).data<uint8_t>(), best);
  }
  EXPECT_NEAR(matrix.mean_iou(), result.best_metric, 1e-4);
}

struct Killed {};

TEST_F(Segmentation, AKilledRunContinuesToTheSameResult) {
  TrainOptions o = options();
  o.start_size = 0.5;
  o.backbone = {"fine*"};
  o.warm_frozen_epochs = 1;
  Graph whole = model();
  TrainResult expected = train_segmenter(whole, *data_, o);
  EXPECT_EQ(expected.history.front().height, 16);
  for (int64_t kill_at : {3, 8}) {
    TemporaryFolder folder;
    o.checkpoint = folder.path() / "run.ckpt";
    o.checkpoint_batches = 2;
    o.resume = false;
    o.on_step = [kill_at](int64_t step) {
      if (step == kill_at) throw Killed();
    };
    Graph graph = model();
    EXPECT_THROW(train_segmenter(graph, *data_, o), Killed);
    o.on_step = nullptr;
    o.resume = true;
    Graph other_start = model(3, 99);
    EXPECT_EQ(losses(train_segmenter(other_start, *data_, o)), losses(expected)) << "killed at " << kill_at;
    for (const Value* value : whole.constants())
      EXPECT_TRUE(identical(value->constant(), other_start.find_value(value->name)->constant())) << value->name;
    EXPECT_THAT(error_of([&] { train_segmenter(graph, *data_, o, {.class_balance = 0.1}); }),
                testing::HasSubstr("class_balance was 0.5, is 0.1"));
  }
}

TEST_F(Segmentation, TheBackboneKeepsStillAsLongAsItIsToldTo) {
  TrainOptions o = options();
  o.epochs = 2;
  o.ema_decay = 0;
  o.backbone = {"fine*"};
  Graph start = model();
  auto moved = [&](const Graph& graph, const std::string& name) {
    return !identical(start.find_value(name)->constant(), graph.find_value(name)->constant());
  };
  o.backbone_rate = 0;
  Graph held = model();
  train_segmenter(held, *data_, o);
  for (const char* name : {"fine.weight", "fine.bn.weight", "fine.bn.bias", "fine.bn.running_mean"})
    EXPECT_FALSE(moved(held, name)) << name;
  for (const char* name : {"deep.weight", "deep.bn.running_mean", "classifier.bias"})
    EXPECT_TRUE(moved(held, name)) << name;
  // After the first epoch it is let go.
  o.backbone_rate = 0.1;
  o.warm_frozen_epochs = 1;
  Graph warm = model();
  train_segmenter(warm, *data_, o);
  EXPECT_TRUE(moved(warm, "fine.weight"));
  o.backbone = {"nothing*"};
  EXPECT_THAT(error_of([&] { train_segmenter(warm, *data_, o); }), testing::HasSubstr("backbone 'nothing*'"));
}

TEST_F(Segmentation, BrokenMasksAreLeftOutAndListed) {
  Splits data = *data_;
  auto replace = [&](size_t index, const char* name, const Tensor& mask) {
    data.train.samples[index].mask = folder_->path() / name;
    write_mask(data.train.samples[index].mask, mask);
  };
  replace(0, "small.png", Tensor::zeros(DType::u8, {side, side - 1}));
  Tensor foreign = Tensor::zeros(DType::u8, {side, side});
  foreign.mutable_data<uint8_t>()[9] = 7;
  replace(1, "foreign.png", foreign);
  data.train.samples[2].mask = folder_->path() / "missing.png";
  std::ofstream(folder_->path() / "damaged.png") << "no image";
  data.train.samples[3].mask = folder_->path() / "damaged.png";
  data.train.samples[4].mask.clear();
  // An image without any labelled pixel is used, and adds nothing.
  Tensor ignored(DType::u8, {side, side});
  std::fill(ignored.mutable_data<uint8_t>().begin(), ignored.mutable_data<uint8_t>().end(), mask_ignore);
  replace(5, "ignored.png", ignored);
  TrainOptions o = options();
  o.epochs = 1;
  Graph graph = model();
  TrainResult result = train_segmenter(graph, data, o);
  ASSERT_EQ(result.unreadable.size(), 5u);
  EXPECT_EQ(result.unreadable[0].reason, "its mask is 31x32, the image 32x32");
  EXPECT_EQ(result.unreadable[1].reason, "its mask has the value 7, there are 3 classes");
  EXPECT_EQ(result.unreadable[4].reason, "has no mask");
  for (Sample& sample : data.train.samples) sample.mask = folder_->path() / "ignored.png";
  EXPECT_THAT(error_of([&] { train_segmenter(graph, data, o); }), testing::HasSubstr("label no pixel with a class"));
  for (Sample& sample : data.train.samples) sample.mask.clear();
  EXPECT_THAT(error_of([&] { train_segmenter(graph, data, o); }),
              testing::HasSubstr("none of the 40 training images can be used"));
}

TEST_F(Segmentation, ABatchWithoutALabelledPixelDoesNoHarm) {
  Splits data = *data_;
  data.train.samples.resize(8);
  Tensor ignored(DType::u8, {side, side});
  std::fill(ignored.mutable_data<uint8_t>().begin(), ignored.mutable_data<uint8_t>().end(), mask_ignore);
  for (size_t i = 1; i < 8; ++i) {
    data.train.samples[i].mask = folder_->path() / "all_ignored.png";
    write_mask(data.train.samples[i].mask, ignored);
  }
  TrainOptions o = options();
  o.batch_size = 2;
  Graph graph = model();
  TrainResult result = train_segmenter(graph, data, o, {.dice = 1});
  for (const EpochRecord& record : result.history) EXPECT_TRUE(std::isfinite(record.loss));
}

TEST_F(Segmentation, WrongModelsAndOptionsAreExplained) {
  TrainOptions o = options();
  auto run = [&](Graph graph, const TrainOptions& with, const SegmentationOptions& segmentation = {}) {
    return error_of([&] { train_segmenter(graph, *data_, with, segmentation); });
  };
  EXPECT_THAT(run(model(4), o), testing::HasSubstr("for the 3 classes of the data expected f32[N, 3, 32, 32]"));
  Graph half = model();
  half.set_output(0, half.find_node("deep.relu")->output());
  EXPECT_THAT(run(half.clone(), o), testing::HasSubstr("expected f32[N, 3, 32, 32]"));
  EXPECT_THAT(run(model(), o, {.class_balance = -1}), testing::HasSubstr("class_balance: is -1"));
  EXPECT_THAT(run(model(), o, {.dice = std::nan("")}), testing::HasSubstr("dice: is nan"));
  SegmentationOptions scene;
  scene.scene.flip = 2;
  EXPECT_THAT(run(model(), o, scene), testing::HasSubstr("flip is 2"));
  TrainOptions bad = o;
  bad.clip_gradient = -1;
  EXPECT_THAT(run(model(), bad), testing::HasSubstr("clip_gradient"));
}

TEST(SegmentationSize, KeepsTheAspectWithinWhatCanBeTrained) {
  auto sized = [](std::vector<ImageSize> sizes) {
    Dataset dataset;
    for (ImageSize size : sizes) dataset.samples.emplace_back().size = size;
    return segmentation_size(dataset);
  };
  EXPECT_EQ(sized({{360, 480}, {360, 480}, {2000, 20}}), (ImageSize{352, 480}));
  EXPECT_EQ(sized({{1080, 1920}}), (ImageSize{304, 544}));
  EXPECT_EQ(sized({{20, 24}}), (ImageSize{32, 32}));
  Dataset missing;
  missing.samples.emplace_back().path = "no such file.png";
  EXPECT_EQ(segmentation_size(missing), (ImageSize{256, 256}));
}

TEST(ClassWeights, RareClassesWeighMore) {
  EXPECT_THAT(class_weights({100, 400, 0, 25}, 0.5), testing::ElementsAre(1, 0.5f, 1, 2));
  EXPECT_THAT(class_weights({100, 400, 0, 25}, 0), testing::Each(1.0f));
  EXPECT_THAT(class_weights({1, 100, 1000000}, 1), testing::ElementsAre(10, 1, 0.1f));
}

/// In doubles, as the formulas stand.
double plain_loss(const std::vector<double>& scores, const std::vector<uint8_t>& targets, size_t classes,
                  const std::vector<float>& weights, double cross_entropy, double dice) {
  std::vector<double> predicted(classes, 0), both(classes, 0), truth(classes, 0);
  double sum = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == mask_ignore) continue;
    const double* row = &scores[i * classes];
    double total = 0, most = *std::max_element(row, row + classes);
    for (size_t c = 0; c < classes; ++c) total += std::exp(row[c] - most);
    for (size_t c = 0; c < classes; ++c) predicted[c] += std::exp(row[c] - most) / total;
    both[targets[i]] += std::exp(row[targets[i]] - most) / total;
    truth[targets[i]] += 1;
    sum += weights[targets[i]] * (std::log(total) + most - row[targets[i]]);
  }
  double overlap = 0, present = 0;
  for (size_t c = 0; c < classes; ++c)
    if (truth[c] > 0) present += 1, overlap += (2 * both[c] + 1) / (predicted[c] + truth[c] + 1);
  return cross_entropy * sum + (present > 0 ? dice * (1 - overlap / present) : 0);
}

TEST(PixelLoss, IsWhatTheFormulasSayWithItsGradient) {
  Rng rng(2);
  for (size_t classes : {2, 11, 40}) {
    for (size_t count : {1, 31, 32, 77}) {
      for (double dice : {0.0, 20.0}) {
        SCOPED_TRACE(fmt::format("{} classes, {} pixels, dice {}", classes, count, dice));
        double spread = count == 77 ? 60 : 3;
        std::vector<float> scores(classes * count), weights(classes), gradient(classes * count, 99);
        for (float& value : scores) value = static_cast<float>(rng.uniform(-spread, spread));
        for (float& value : weights) value = static_cast<float>(rng.uniform(0.2, 3));
        std::vector<uint8_t> targets(count);
        for (uint8_t& target : targets)
          target = rng.chance(0.2) ? mask_ignore
                                   : static_cast<uint8_t>(rng.below(static_cast<uint32_t>(classes - classes / 3)));
        PixelLoss loss{weights, 0.5, dice};
        auto ours = [&](float* out) {
          return pixel_loss(scores.data(), targets.data(), static_cast<int64_t>(count), static_cast<int64_t>(classes),
                            loss, out);
        };
        double sum = ours(gradient.data());
        EXPECT_EQ(sum, ours(nullptr));
        std::vector<double> exact(scores.begin(), scores.end());
        auto plain = [&] { return plain_loss(exact, targets, classes, weights, 0.5, dice); };
        EXPECT_NEAR(sum, plain(), 1e-5 * std::max(1.0, plain()));
        for (size_t i = 0; i < exact.size(); ++i) {
          double value = exact[i];
          exact[i] = value + 1e-4;
          double above = plain();
          exact[i] = value - 1e-4;
          double below = plain();
          exact[i] = value;
          EXPECT_NEAR(gradient[i], (above - below) / 2e-4, 1e-4) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace hone
