#include "train/classifier_trainer.hpp"

#include <algorithm>
#include <thread>

#include "train/checkpoint.hpp"
#include "train/classifier_run.hpp"
#include "train/train_options.hpp"

namespace hone {

TrainResult train_classifier(Graph& model, const Splits& data, const TrainOptions& options, Progress& progress) {
  validate(options);
  TrainOptions complete = options;
  // The result depends on how many parts a batch is split into: a continued run keeps the number it was started with.
  if (complete.threads == 0 && complete.resume)
    complete.threads =
        static_cast<int>(std::clamp<int64_t>(load_checkpoint(options.checkpoint).integer("threads"), 1, 1024));
  if (complete.threads == 0)
    complete.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  // Fewer than 8 images a thread make poor batch statistics.
  if (options.threads == 0 && !options.resume)
    complete.threads = std::max(1, std::min(complete.threads, options.batch_size / 8));
  ClassifierRun run(model, data, complete, progress);
  if (complete.resume) run.load();
  TrainResult result = run.train();
  run.store(model);
  return result;
}

}  // namespace hone
