#include "train/training_run.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "train/train_options.hpp"

namespace hone {

namespace {

constexpr double budget_overrun = 1.1;  ///< a run that is this much late stops within an epoch

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

int processors() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

/// Of the random numbers of one batch (splitmix64).
uint64_t mixed_seed(uint64_t seed, uint64_t step) {
  uint64_t x = seed + (step + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Validation takes no gradients: larger batches, as long as the images are small.
int validation_batch(const TrainOptions& options) {
  int64_t fitting =
      int64_t{64} * 224 * 224 / std::max<int64_t>(1, options.preprocess.height * options.preprocess.width);
  return std::max(options.batch_size, static_cast<int>(std::clamp<int64_t>(fitting, 4, 64)));
}

}  // namespace

TrainingRun::TrainingRun(const Graph& model, const Splits& data, Objective& objective, const TrainOptions& options,
                         Progress& progress)
    : data_(data),
      objective_(objective),
      options_(options),
      progress_(progress),
      group_(options.group.get()),
      threads_(options.threads),
      sums_(options.threads, group_) {
  Graph graph = objective.training_graph(model);
  options_text_ = describe(options) + objective.describe();
  data_text_ = fingerprint(data);
  graph_text_ = fingerprint(graph);
  GraphModuleOptions module{.freeze = options.freeze, .seed = options.seed + 1};
  live_ = std::make_unique<Replicas>(graph, module, options.threads, true);
  if (live_->main().parameters().empty()) throw Error("model '" + model.name + "'", "has no trainable constants");
  if (options.ema_decay > 0) average_ = std::make_unique<Replicas>(graph, module, options.threads, false);
  optimizer_ = make_optimizer(options, live_->main().parameters());
  live_->main().require_known(options.backbone, "backbone");
  for (size_t i = 0; i < live_->main().parameters().size(); ++i)
    if (matches_any(options.backbone, live_->main().parameters()[i].name))
      optimizer_->rates()[i] = options.backbone_rate;
  validation_loader_ = std::make_unique<BatchLoader>(data.validation, loader_options(false));
  state_.height =
      training_size(static_cast<int>(options.preprocess.height), options.start_size, options.size_growth, 0);
  state_.width = training_size(static_cast<int>(options.preprocess.width), options.start_size, options.size_growth, 0);
  batches_ = loader().batches_per_epoch();
  state_.total = options.epochs * batches_;
  if (group_) agree_on_start();
}

LoaderOptions TrainingRun::loader_options(bool training) const {
  LoaderOptions loader;
  objective_.configure(loader, training);
  loader.batch_size = training ? options_.batch_size : validation_batch(options_);
  loader.height = training ? state_.height : static_cast<int>(options_.preprocess.height);
  loader.width = training ? state_.width : static_cast<int>(options_.preprocess.width);
  loader.shuffle = loader.drop_last = training;
  loader.seed = options_.seed;
  loader.threads = options_.loader_threads > 0 ? options_.loader_threads : std::max(1, processors() / 2);
  loader.cache_bytes = options_.cache_bytes;
  if (group_ && training) loader.rows = [this](int64_t images) { return own_rows(images); };
  return loader;
}

/// The loader for the current image size.
BatchLoader& TrainingRun::loader() {
  if (!train_loader_ || train_loader_->options().height != state_.height ||
      train_loader_->options().width != state_.width) {
    train_loader_.reset();  // gives its memory back first
    TensorMemory::trim();
    train_loader_ = std::make_unique<BatchLoader>(data_.train, loader_options(true));
    train_loader_->start(state_.step / batches_, state_.step % batches_);
  }
  return *train_loader_;
}

void TrainingRun::count_time() {
  auto now = Clock::now();
  double passed = seconds_between(counted_, now);
  counted_ = now;
  state_.seconds += passed;
  state_.epoch_seconds += passed;
}

bool TrainingRun::epoch_is_over() const {
  return state_.seen > 0 && (state_.step % batches_ == 0 || state_.step >= state_.total);
}

double TrainingRun::speed() const { return static_cast<double>(state_.images) / std::max(1e-9, state_.train_seconds); }

TrainResult TrainingRun::train() {
  counted_ = saved_ = Clock::now();
  try {
    while (!state_.done) {
      if (!epoch_is_over()) train_epoch();
      finish_epoch();
    }
  } catch (const Interrupted&) {
    std::string remedy;
    if (!options_.checkpoint.empty() && first()) {
      save_or_warn();
      remedy = fmt::format("{} of {} batches are saved in '{}': run the same command with --resume to continue",
                           saved_step_, state_.total, options_.checkpoint.string());
    }
    throw Interrupted("training", remedy);
  }
  progress_.end(fmt::format("best validation {} {:.1f}% in epoch {} of {}, {:.{}f} images/s", objective_.metric_name(),
                            100 * state_.best_metric, state_.best_epoch, state_.history.size(), speed(),
                            speed() < 20 ? 1 : 0));
  TrainResult result;
  result.history = state_.history;
  result.best_epoch = state_.best_epoch;
  result.metric_name = objective_.metric_name();
  result.best_metric = state_.best_metric;
  result.seconds = state_.seconds;
  result.images_per_second = speed();
  result.stopped = state_.stopped;
  for (BatchLoader* loader : {train_loader_.get(), validation_loader_.get()})
    if (loader)
      for (const Skipped& skipped : loader->unreadable()) result.unreadable.push_back(skipped);
  return result;
}

void TrainingRun::train_epoch() {
  if (state_.step % batches_ == 0) {
    double done = static_cast<double>(state_.step) / static_cast<double>(state_.total);
    state_.height =
        training_size(static_cast<int>(options_.preprocess.height), options_.start_size, options_.size_growth, done);
    state_.width =
        training_size(static_cast<int>(options_.preprocess.width), options_.start_size, options_.size_growth, done);
  }
  auto begun = static_cast<double>(state_.step - state_.step % batches_);
  if (objective_.start_epoch(begun / static_cast<double>(state_.total))) train_loader_.reset();
  BatchLoader& batches = loader();
  show();
  while (state_.step < state_.total) {
    auto start = Clock::now();
    std::optional<Batch> batch = next_batch(batches);
    if (!batch) break;
    train_batch(*batch);
    state_.train_seconds += seconds_between(start, Clock::now());
    count_time();
    show();
    if (options_.on_step) options_.on_step(state_.step);
    if (!group_) check_interrupt("training");
    if (first()) save_when_due();
    double budget = options_.max_minutes * 60;
    if (budget <= 0) continue;
    if (!state_.planned && state_.step >= 5 && state_.seconds > 0.1 * budget) plan();
    if (state_.seconds > budget_overrun * budget) state_.total = state_.step;
    agree_on_length();
  }
}

Schedule TrainingRun::schedule() const {
  auto warmup = static_cast<int64_t>(options_.warmup_epochs * static_cast<double>(batches_));
  return {options_.learning_rate, options_.final_learning_rate, std::min(warmup, state_.total / 10), state_.total};
}

/// Lets the pretrained part rest during the first epochs, or always when its rate is 0.
void TrainingRun::hold_backbone() {
  if (options_.backbone.empty()) return;
  auto frozen = static_cast<int64_t>(options_.warm_frozen_epochs * static_cast<double>(batches_));
  bool hold = options_.backbone_rate == 0 || state_.step < std::min(frozen, state_.total / 2);
  if (hold == backbone_held_) return;
  for (int i = 0; i < live_->count(); ++i) (*live_)[i].hold(options_.backbone, hold);
  backbone_held_ = hold;
}

/// Forward and backward of one of the parts of the own rows; their loss.
double TrainingRun::train_part(int part, int parts, const Batch& batch, double& metric_sum) {
  int64_t count = batch.images.dim(0);
  auto [from, to] = own_rows(count);
  int64_t first = from + (to - from) * part / parts, last = from + (to - from) * (part + 1) / parts;
  ImageSize size{static_cast<int>(batch.images.dim(1)), static_cast<int>(batch.images.dim(2))};
  BatchPart place{first, count, mixed_seed(options_.seed, static_cast<uint64_t>(state_.step)), &sums_[part]};
  std::vector<at::Tensor> outputs =
      (*live_)[part].forward({normalized_images(batch, first, last, options_.preprocess)}, place);
  at::Tensor loss = objective_.loss(outputs, batch, first, last, size, sums_[part], metric_sum);
  std::vector<at::Tensor> ends{loss}, gradients{at::full({}, 1 / static_cast<double>(count), at::kFloat)};
  // Every part goes back through all normalizations, also where its images have no share in a loss.
  for (const at::Tensor& output : outputs)
    if (output.requires_grad()) ends.push_back(output), gradients.push_back(at::zeros_like(output));
  torch::autograd::backward(ends, gradients);
  return loss.item<float>();
}

TrainingRun::Score TrainingRun::train_parts(const Batch& batch) {
  int64_t count = batch.images.dim(0);
  auto [from, to] = own_rows(count);
  int parts = static_cast<int>(std::clamp<int64_t>(to - from, 1, live_->count()));
  std::vector<Score> scores(static_cast<size_t>(parts));
  sums_.begin(parts);
  threads_.run(parts, [&](int part) {
    Score& score = scores[static_cast<size_t>(part)];
    try {
      score.loss = train_part(part, parts, batch, score.metric);
    } catch (...) {
      sums_.abandon(std::current_exception());
      throw;
    }
  });
  Score sum;
  for (const Score& score : scores) sum.loss += score.loss, sum.metric += score.metric;
  if (group_) sum = sum_over_processes(sum);
  return {sum.loss / static_cast<double>(count), sum.metric / static_cast<double>(count), count};
}

TrainingRun::Score TrainingRun::validate_parts(const Batch& batch) {
  int64_t count = batch.images.dim(0);
  ImageSize size{static_cast<int>(batch.images.dim(1)), static_cast<int>(batch.images.dim(2))};
  Replicas& model = evaluated();
  int parts = static_cast<int>(std::clamp<int64_t>(count / 2, 1, model.count()));
  std::vector<double> losses(static_cast<size_t>(parts));
  threads_.run(parts, [&](int part) {
    int64_t first = count * part / parts, last = count * (part + 1) / parts;
    at::Tensor images = normalized_images(batch, first, last, options_.preprocess);
    losses[static_cast<size_t>(part)] = objective_.add(model[part].forward({images}, false), batch, first, last, size);
  });
  return {std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(count), 0, count};
}

void TrainingRun::train_batch(const Batch& batch) {
  hold_backbone();
  Score score = train_parts(batch);
  if (!std::isfinite(score.loss))
    throw Error("training",
                fmt::format("the loss is {} in batch {} of epoch {}", score.loss, state_.step % batches_ + 1,
                            epoch_index() + 1),
                fmt::format("lower the learning rate (now {})", options_.learning_rate));
  live_->gather_gradients(group_);
  live_->share_buffers();
  if (options_.clip_gradient > 0) clip_gradients(live_->main().parameters(), options_.clip_gradient);
  optimizer_->step(schedule().learning_rate(state_.step));
  if (average_) update_average(average_->main(), live_->main(), options_.ema_decay, state_.step);
  state_.loss_sum += score.loss * static_cast<double>(score.seen);
  state_.metric_sum += score.metric * static_cast<double>(score.seen);
  state_.seen += score.seen;
  state_.images += score.seen;
  state_.pixels += static_cast<double>(batch.images.dim(0) * batch.images.dim(1) * batch.images.dim(2));
  ++state_.step;
}

TrainingRun::Score TrainingRun::validate() {
  at::NoGradGuard no_grad;
  Score sum;
  objective_.begin_validation();
  validation_loader_->start(0);
  while (auto batch = validation_loader_->next()) {
    Score score = validate_parts(*batch);
    sum.loss += score.loss * static_cast<double>(score.seen);
    sum.seen += score.seen;
    check_interrupt("training");
  }
  auto seen = static_cast<double>(std::max<int64_t>(1, sum.seen));
  return {sum.loss / seen, objective_.metric(), sum.seen};
}

void TrainingRun::keep_best(const Score& score) {
  bool better = score.metric > state_.best_metric ||
                (score.metric == state_.best_metric && score.loss < state_.best_loss);
  if (!better) return;
  state_.best_metric = score.metric;
  state_.best_loss = score.loss;
  state_.best_epoch = static_cast<int64_t>(state_.history.size());
  TorchGraph& model = evaluated().main();
  best_.clear();
  for (auto* list : {&model.parameters(), &model.buffers()})
    for (auto& variable : *list) best_.push_back(variable.tensor.detach().clone());
}

void TrainingRun::finish_epoch() {
  auto start = Clock::now();
  Score score = group_ ? validate_once() : validate();
  double took = seconds_between(start, Clock::now());
  count_time();
  auto epochs = static_cast<double>(state_.history.size());
  state_.validation_seconds = (state_.validation_seconds * epochs + took) / (epochs + 1);

  EpochRecord record;
  record.epoch = static_cast<int64_t>(state_.history.size()) + 1;
  record.loss = state_.loss_sum / static_cast<double>(state_.seen);
  record.metric = state_.metric_sum / static_cast<double>(state_.seen);
  record.validation_loss = score.loss;
  record.validation_metric = score.metric;
  record.learning_rate = schedule().learning_rate(state_.step - 1);
  record.seconds = state_.epoch_seconds;
  record.images_per_second = static_cast<double>(state_.seen) / std::max(1e-9, state_.epoch_seconds - took);
  record.height = state_.height;
  record.width = state_.width;
  state_.history.push_back(record);
  keep_best(score);
  state_.loss_sum = state_.metric_sum = state_.epoch_seconds = 0;
  state_.seen = 0;

  double budget = options_.max_minutes * 60;
  if (options_.patience > 0 && record.epoch - state_.best_epoch >= options_.patience)
    state_.done = true, state_.stopped = StopReason::patience;
  else if (budget > 0 && state_.step < options_.epochs * batches_)
    plan();
  agree_on_length();
  if (!state_.done && state_.step >= state_.total) {
    state_.done = true;
    state_.stopped = state_.total < options_.epochs * batches_ ? StopReason::time : StopReason::finished;
  }
  if (!first()) return;
  if (options_.on_epoch) options_.on_epoch(record);
  if (!options_.checkpoint.empty()) save_or_warn();
}

/// What was measured so far.
TimePlan TrainingRun::time_plan() const {
  TimePlan time;
  time.budget = options_.max_minutes * 60;
  time.elapsed = state_.seconds;
  time.seconds_per_pixel = state_.train_seconds / std::max(1.0, state_.pixels);
  time.batches_per_epoch = batches_;
  time.batch_size = options_.batch_size;
  time.height = static_cast<int>(options_.preprocess.height);
  time.width = static_cast<int>(options_.preprocess.width);
  time.start_ratio = options_.start_size;
  time.growth = options_.size_growth;
  time.validation_seconds = state_.validation_seconds;
  if (state_.history.empty()) {  // the forward pass is about a third of a training step
    auto images = static_cast<double>(data_.validation.samples.size());
    time.validation_seconds = images * time.height * time.width * time.seconds_per_pixel / 3;
  }
  return time;
}

/// A run with a time limit ends by then, however long it is before its length is planned.
double TrainingRun::seconds_left() const {
  TimePlan time = time_plan();
  double left = time.remaining(state_.step, state_.total);
  return time.budget > 0 ? std::clamp(time.budget - time.elapsed, 0.0, left) : left;
}

/// Sets the length of the run by the time that is left. A plan that still fits within a few percent stays, so that a
/// continued run follows the plan of the one it continues.
void TrainingRun::plan() {
  TimePlan time = time_plan();
  if (state_.step >= state_.total) return;
  double expected = time.elapsed + time.remaining(state_.step, state_.total);
  bool longest = state_.total == options_.epochs * batches_;
  bool fits = expected <= 1.02 * time.budget && (longest || expected >= 0.92 * time.budget);
  if (!fits) state_.total = time.fit(state_.step, options_.epochs * batches_);
  state_.planned = true;
}

void TrainingRun::show() {
  if (shown_total_ != state_.total) {
    if (shown_total_ >= 0) progress_.end();
    progress_.begin("training", state_.total);
    shown_total_ = state_.total;
  }
  auto epochs = (state_.total + batches_ - 1) / batches_;
  auto epoch = std::min(static_cast<int64_t>(state_.history.size()) + 1, epochs);
  std::string detail = fmt::format("epoch {}/{}", epoch, epochs);
  std::string name = objective_.metric_name();
  if (name == "accuracy") name = "acc";
  auto seen = static_cast<double>(state_.seen);
  if (state_.seen > 0) detail += fmt::format("  loss {:.3f}", state_.loss_sum / seen);
  if (state_.seen > 0 && objective_.has_training_metric())
    detail += fmt::format("  {} {:.1f}%", name, 100 * state_.metric_sum / seen);
  if (!state_.history.empty())
    detail += fmt::format("  val{} {:.1f}%", objective_.has_training_metric() ? "" : " " + name,
                          100 * state_.history.back().validation_metric);
  if (state_.images > 0) detail += fmt::format("  {:.{}f} img/s", speed(), speed() < 20 ? 1 : 0);
  if (state_.images > 0 && state_.step < state_.total) detail += "  " + format_duration(seconds_left()) + " left";
  progress_.update(state_.step, detail);
}

void TrainingRun::store(Graph& model) {
  TorchGraph& source = evaluated().main();
  at::NoGradGuard no_grad;
  size_t count = 0;
  for (auto* list : {&source.parameters(), &source.buffers()})
    for (auto& variable : *list) variable.tensor.copy_(best_[count++]);
  source.store(model);
}

}  // namespace hone
