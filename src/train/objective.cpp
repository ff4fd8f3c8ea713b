#include "train/objective.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/checkpoint.hpp"
#include "train/distributed.hpp"
#include "train/train_options.hpp"
#include "train/training_run.hpp"

namespace hone {

Graph free_image_input(const Graph& model, const Preprocess& preprocess, bool free_size) {
  Graph graph = model.clone();
  if (graph.inputs().size() != 1)
    throw Error("model '" + model.name + "'",
                fmt::format("has {} inputs, training on images needs 1", graph.inputs().size()));
  Value* input = graph.inputs()[0];
  bool image = input->dtype() == DType::f32 && input->shape().rank() == 4 && input->shape()[1] == Dim(3);
  if (!image)
    throw Error("input '" + input->name + "'", "is " + to_string(input->type) + ", training needs f32[N, 3, H, W]",
                "train the model without the preprocessing nodes; they are attached to the finished one");
  Dims size{1, 3, preprocess.height, preprocess.width};
  Shape batch = input->shape();
  batch[0] = Dim::named("N");
  if (!matches(Shape{1, 3, batch[2], batch[3]}, size))
    throw Error("input '" + input->name + "'",
                fmt::format("is {}, the preprocessing gives {} x {} pixels", to_string(input->type), preprocess.height,
                            preprocess.width));
  if (free_size) batch[2] = Dim::named("H"), batch[3] = Dim::named("W");
  graph.set_input_type(input, {DType::f32, batch});
  graph.infer();
  return graph;
}

at::Tensor normalized_images(const Batch& batch, int64_t first, int64_t last, const Preprocess& preprocess) {
  Dims dims = batch.images.dims();
  dims[0] = last - first;
  const auto* pixels = static_cast<const uint8_t*>(batch.images.raw()) + first * dims[1] * dims[2] * dims[3];
  // u8 NHWC memory seen as NCHW is channels-last already.
  at::Tensor x = at::from_blob(const_cast<uint8_t*>(pixels), dims, at::kByte).permute({0, 3, 1, 2}).to(at::kFloat);
  if (preprocess.bgr) x = x.flip(1);
  auto channel = [](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}, at::kFloat).reshape({1, 3, 1, 1});
  };
  return (x - channel(preprocess.mean)).div_(channel(preprocess.std));
}

TrainResult train(Graph& model, const Splits& data, Objective& objective, const TrainOptions& options,
                  Progress& progress) {
  validate(options);
  TrainOptions complete = options;
  ProcessGroup* group = options.group.get();
  int processes = group ? group->size() : 1;
  if (options.batch_size < 2 * processes)
    throw Error("training option batch_size",
                fmt::format("is {}, {} processes need at least {}", options.batch_size, processes, 2 * processes),
                "two images each, for the statistics of a batch");
  // Other numbers of threads round in other places: a continued run keeps the number it was started with.
  if (complete.threads == 0 && complete.resume)
    complete.threads = static_cast<int>(
        std::clamp<int64_t>(load_checkpoint(options.checkpoint).integer("threads") / processes, 1, 1024));
  if (complete.threads == 0) {
    auto cores = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
    complete.threads =
        std::clamp(cores / (group ? group->local_size() : 1), 1, std::max(1, options.batch_size / processes / 2));
  }
  if (group) complete.threads = std::stoi(group->share(std::to_string(complete.threads)));
  TrainingRun run(model, data, objective, complete, progress);
  if (complete.resume) run.load();
  TrainResult result = run.train();
  run.store(model);
  return result;
}

}  // namespace hone
