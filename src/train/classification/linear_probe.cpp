#include "train/classification/linear_probe.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/loader.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "train/classification/objective.hpp"
#include "train/optimizer.hpp"
#include "train/replicas.hpp"

namespace hone {

namespace {

constexpr int64_t most_images = 20000;
constexpr int64_t step_images = 256;

Node* last_layer(const Graph& model) {
  Value* logits = model.outputs().at(0).value;
  if (logits->producer() && logits->producer()->is("Softmax")) logits = logits->producer()->input(0);
  Node* node = logits->producer();
  const auto* gemm = node ? node->as<ops::Gemm>() : nullptr;
  bool linear = gemm && gemm->transB && !gemm->transA && gemm->alpha == 1 && gemm->beta == 1 &&
                node->input(1)->is_constant() && node->input(2) && node->input(2)->is_constant() &&
                node->input(2)->shape().rank() == 1;
  if (!linear)
    throw Error("model '" + model.name + "'", "does not end in a linear layer with bias",
                "train the whole network instead");
  return node;
}

/// At most `most_images` samples, evenly taken.
Dataset some_of(const Dataset& dataset) {
  auto count = static_cast<int64_t>(dataset.samples.size());
  if (count <= most_images) return dataset;
  Dataset some = dataset;
  some.samples.clear();
  for (int64_t i = 0; i < most_images; ++i)
    some.samples.push_back(dataset.samples[static_cast<size_t>(i * count / most_images)]);
  return some;
}

struct Features {
  at::Tensor rows;  ///< [images, width]
  Batch labels;     ///< only what the loss reads
};

/// The network up to the linear layer, on several threads.
class FeatureReader {
 public:
  FeatureReader(const Graph& model, const TrainOptions& options, Progress& progress)
      : options_(options), progress_(progress), threads_(options.threads) {
    Graph graph = model.clone();
    graph.set_output(0, last_layer(graph)->input(0));
    graph.remove_dead();
    replicas_ = std::make_unique<Replicas>(graph, GraphModuleOptions{}, options.threads, false);
  }

  Features read(const Dataset& dataset, std::vector<Skipped>& unreadable) {
    LoaderOptions loader;
    loader.batch_size = 16 * options_.threads;
    loader.height = static_cast<int>(options_.preprocess.height);
    loader.width = static_cast<int>(options_.preprocess.width);
    loader.threads = std::max(1, options_.threads / 2);
    loader.cache_bytes = 0;
    BatchLoader batches(dataset, loader);
    Features features;
    std::vector<at::Tensor> parts;
    while (auto batch = batches.next()) {
      read(*batch, parts);
      features.labels.labels.insert(features.labels.labels.end(), batch->labels.begin(), batch->labels.end());
      features.labels.indices.insert(features.labels.indices.end(), batch->indices.begin(), batch->indices.end());
      progress_.update(done_ += batch->images.dim(0));
      check_interrupt("training");
    }
    features.rows = at::cat(parts);
    for (const Skipped& skipped : batches.unreadable()) unreadable.push_back(skipped);
    return features;
  }

 private:
  void read(const Batch& batch, std::vector<at::Tensor>& parts) {
    int64_t count = batch.images.dim(0);
    int tasks = static_cast<int>(std::min<int64_t>(options_.threads, count));
    size_t before = parts.size();
    parts.resize(before + static_cast<size_t>(tasks));
    threads_.run(tasks, [&](int part) {
      at::NoGradGuard no_grad;
      at::Tensor x = normalized_images(batch, count * part / tasks, count * (part + 1) / tasks, options_.preprocess);
      parts[before + static_cast<size_t>(part)] = (*replicas_)[part].forward({x}, false)[0].clone();
    });
  }

  const TrainOptions& options_;
  Progress& progress_;
  ReplicaThreads threads_;
  std::unique_ptr<Replicas> replicas_;
  int64_t done_ = 0;
};

/// Rows in random order, each class as often as another when one label an image is wanted.
at::Tensor draw_rows(const Dataset& dataset, const Batch& labels, bool balanced, int64_t count, Rng& rng) {
  at::Tensor rows = at::empty({count}, at::kLong);
  auto* out = rows.data_ptr<int64_t>();
  auto images = labels.indices.size();
  if (!balanced) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int64_t>(rng.below(static_cast<uint32_t>(images)));
    return rows;
  }
  std::vector<std::vector<int64_t>> members(dataset.classes.size());
  for (size_t i = 0; i < images; ++i) members[static_cast<size_t>(labels.labels[i])].push_back(static_cast<int64_t>(i));
  std::erase_if(members, [](const auto& list) { return list.empty(); });
  for (int64_t i = 0; i < count; ++i) {
    const auto& list = members[rng.below(static_cast<uint32_t>(members.size()))];
    out[i] = list[rng.below(static_cast<uint32_t>(list.size()))];
  }
  return rows;
}

Batch labels_of(const Batch& all, const at::Tensor& rows) {
  Batch some;
  const auto* row = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    some.labels.push_back(all.labels[static_cast<size_t>(row[i])]);
    some.indices.push_back(all.indices[static_cast<size_t>(row[i])]);
  }
  return some;
}

/// Mean loss of the last tenth of the steps.
double fit(const Features& features, const Dataset& dataset, Objective& objective, bool balanced, at::Tensor weights,
           at::Tensor bias, const TrainOptions& options) {
  Optimizer::Variables variables{{"weights", weights, true}, {"bias", bias, false}};
  AdamW optimizer(variables, 0.9, 0.999, 0.02);
  auto images = static_cast<int64_t>(features.labels.indices.size());
  int64_t rows = std::min(images, step_images), steps = std::clamp<int64_t>(40 * images / rows, 200, 2000);
  Rng rng = Rng::of(options.seed, 0x70726F6265, 0);
  double last = 0;
  int64_t counted = 0;
  for (int64_t step = 0; step < steps; ++step) {
    at::Tensor drawn = draw_rows(dataset, features.labels, balanced, rows, rng);
    Batch labels = labels_of(features.labels, drawn);
    at::Tensor x = features.rows.index_select(0, drawn);
    at::Tensor logits = at::addmm(bias, x, weights.t());
    double metric = 0;
    at::Tensor loss =
        objective.loss({logits}, labels, 0, rows, {}, PartSum::alone(), metric) / static_cast<double>(rows);
    loss.backward();
    double progress = static_cast<double>(step) / static_cast<double>(steps);
    optimizer.step(3e-3 * (1 - 0.95 * progress));
    if (progress >= 0.9) last += loss.item<float>(), ++counted;
    check_interrupt("training");
  }
  return last / static_cast<double>(std::max<int64_t>(1, counted));
}

}  // namespace

TrainResult train_linear_probe(Graph& model, const Splits& data, const TrainOptions& options, Progress& progress) {
  auto start = std::chrono::steady_clock::now();
  TrainOptions complete = options;
  if (complete.threads == 0)
    complete.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  Splits used = data;
  used.train = some_of(data.train);
  const Dataset& train = used.train;
  std::unique_ptr<Objective> objective = make_classifier_objective(used, complete);
  Graph graph = objective->training_graph(model);
  TrainResult result;
  progress.begin("features", static_cast<int64_t>(train.samples.size() + data.validation.samples.size()));
  FeatureReader reader(graph, complete, progress);
  Features features = reader.read(train, result.unreadable), held = reader.read(data.validation, result.unreadable);
  progress.end();

  const Node* layer = last_layer(model);
  at::Tensor weights = torch_ops::to_torch(layer->input(1)->constant(), "weights").requires_grad_(true);
  at::Tensor bias = torch_ops::to_torch(layer->input(2)->constant(), "bias").requires_grad_(true);
  EpochRecord epoch;
  epoch.epoch = 1;
  epoch.loss = fit(features, train, *objective, data.train.task != Task::multi_label && complete.balanced, weights,
                   bias, complete);
  at::NoGradGuard no_grad;
  objective->begin_validation();
  auto count = held.rows.size(0);
  epoch.validation_loss =
      objective->add({at::addmm(bias, held.rows, weights.t())}, held.labels, 0, count, {}) / static_cast<double>(count);
  epoch.validation_metric = objective->metric();
  model.set_constant(layer->input(1), torch_ops::from_torch(weights.detach()));
  model.set_constant(layer->input(2), torch_ops::from_torch(bias.detach()));
  epoch.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  epoch.height = static_cast<int>(options.preprocess.height), epoch.width = static_cast<int>(options.preprocess.width);
  epoch.images_per_second = static_cast<double>(train.samples.size()) / std::max(1e-9, epoch.seconds);
  result.history = {epoch};
  result.metric_name = objective->metric_name();
  result.best_epoch = 1;
  result.best_metric = epoch.validation_metric;
  result.seconds = epoch.seconds;
  result.images_per_second = epoch.images_per_second;
  return result;
}

}  // namespace hone
