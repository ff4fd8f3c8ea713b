// Images a second of the training loop (forward, backward, step), for scripts/bench-training.
// usage: bench_training TEMPLATE SIZE BATCH THREADS STEPS [DATA]
// Without DATA the images are made up, lie in memory at the size of the network and are not varied: nothing but
// training is measured. With DATA, a folder of classes: decoding and variation as `hone train` does them.
// Prints "BEST MEDIAN" images a second of the steps after the first few.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/random.hpp"
#include "train/classifier_trainer.hpp"
#include "train/templates.hpp"

namespace {

using namespace hone;

constexpr int warm_steps = 3;

Splits made_up(int side, int images) {
  Splits data;
  Rng rng(1);
  for (Dataset* set : {&data.train, &data.validation}) {
    for (int i = 0; i < 10; ++i) set->classes.push_back("class" + std::to_string(i));
    int count = set == &data.train ? images : 10;
    for (int i = 0; i < count; ++i) {
      Sample& sample = set->samples.emplace_back();
      sample.path = "image" + std::to_string(i);
      sample.label = i % 10;
      sample.size = {side, side};
      sample.pixels = Tensor(DType::u8, {side, side, 3});
      for (uint8_t& value : sample.pixels.mutable_data<uint8_t>()) value = static_cast<uint8_t>(rng.below(256));
    }
  }
  return data;
}

struct Done {};

/// Seconds of each step.
std::vector<double> measure(Graph& model, const Splits& data, TrainOptions options, int steps) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  Clock::time_point last = Clock::now();
  options.on_step = [&](int64_t step) {
    auto now = Clock::now();
    if (step > warm_steps) seconds.push_back(std::chrono::duration<double>(now - last).count());
    last = now;
    if (step == steps + warm_steps) throw Done();
  };
  try {
    train_classifier(model, data, options);
  } catch (const Done&) {
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

int run(int argc, char** argv) {
  if (argc < 6) throw std::invalid_argument("usage: bench_training TEMPLATE SIZE BATCH THREADS STEPS [DATA]");
  int side = std::atoi(argv[2]), batch = std::atoi(argv[3]), threads = std::atoi(argv[4]), steps = std::atoi(argv[5]);
  Splits data = argc > 6 ? read_image_folder(argv[6], {.check = false}) : made_up(side, 4 * batch);
  TrainOptions options;
  options.preprocess = {.height = side, .width = side, .mean = {124, 116, 104}, .std = {58, 57, 57}};
  options.epochs = 1000;
  options.batch_size = batch;
  options.threads = threads;
  options.learning_rate = 0.01;
  options.ema_decay = 0;
  options.balanced = false;
  if (argc <= 6) options.augment = {.min_area = 1, .max_area = 1, .min_aspect = 1, .max_aspect = 1, .flip = 0,
                                    .brightness = 0, .contrast = 0, .saturation = 0, .hue = 0};
  // The end of an epoch validates and is no step.
  data.validation.samples.resize(std::min<size_t>(data.validation.samples.size(), 10));
  auto classes = static_cast<int>(data.train.classes.size());
  Graph model = build_template(argv[1], {.classes = classes, .height = side, .width_px = side});
  std::vector<double> seconds = measure(model, data, options, steps);
  std::printf("%.2f %.2f\n", batch / seconds.front(), batch / seconds[seconds.size() / 2]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_training: %s\n", error.what());
    return 1;
  }
}
