#include "train/classifier_run.hpp"

#include <algorithm>
#include <cmath>
#include <thread>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "train/train_options.hpp"

namespace hone {

namespace {

constexpr double budget_overrun = 1.1;  ///< a run that is this much late stops within an epoch

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// The graph to train: free sizes when they vary, logits instead of a final Softmax. Checks what training needs.
Graph training_graph(const Graph& model, const Splits& data, const TrainOptions& options) {
  Graph graph = model.clone();
  std::string place = "model '" + model.name + "'";
  if (graph.inputs().size() != 1)
    throw Error(place, fmt::format("has {} inputs, a classifier has 1", graph.inputs().size()));
  Value* input = graph.inputs()[0];
  bool image = input->dtype() == DType::f32 && input->shape().rank() == 4 && input->shape()[1] == Dim(3);
  if (!image)
    throw Error("input '" + input->name + "'", "is " + to_string(input->type) + ", training needs f32[N, 3, H, W]",
                "train the model without the preprocessing nodes; they are attached to the finished one");
  Dims size{1, 3, options.preprocess.height, options.preprocess.width};
  Shape batch = input->shape();
  batch[0] = Dim::named("N");
  if (!matches(Shape{1, 3, batch[2], batch[3]}, size))
    throw Error("input '" + input->name + "'",
                fmt::format("is {}, the preprocessing gives {} x {} pixels", to_string(input->type),
                            options.preprocess.height, options.preprocess.width));
  if (options.start_size < 1) batch[2] = Dim::named("H"), batch[3] = Dim::named("W");
  graph.set_input_type(input, {DType::f32, batch});
  graph.infer();
  Value* logits = graph.outputs().at(0).value;
  if (logits->producer() && logits->producer()->is("Softmax")) graph.set_output(0, logits->producer()->input(0));
  logits = graph.outputs()[0].value;
  auto classes = static_cast<int64_t>(data.train.classes.size());
  if (logits->shape().rank() != 2 || logits->shape()[1] != Dim(classes))
    throw Error(
        "output '" + graph.outputs()[0].name + "'",
        fmt::format("is {}, the data has {} classes: expected f32[N, {}]", to_string(logits->type), classes, classes));
  return graph;
}

int processors() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

LoaderOptions loader_options(const TrainOptions& options) {
  LoaderOptions loader;
  loader.batch_size = options.batch_size;
  loader.height = static_cast<int>(options.preprocess.height);
  loader.width = static_cast<int>(options.preprocess.width);
  loader.seed = options.seed;
  loader.threads = options.loader_threads > 0 ? options.loader_threads : std::max(1, processors() / 2);
  loader.cache_bytes = options.cache_bytes;
  return loader;
}

}  // namespace

ClassifierRun::ClassifierRun(const Graph& model, const Splits& data, const TrainOptions& options, Progress& progress)
    : data_(data), options_(options), progress_(progress), threads_(options.threads) {
  Graph graph = training_graph(model, data, options);
  options_text_ = describe(options);
  data_text_ = fingerprint(data);
  graph_text_ = fingerprint(graph);
  GraphModuleOptions module{.freeze = options.freeze, .seed = options.seed + 1};
  live_ = std::make_unique<Replicas>(graph, module, options.threads, true);
  if (live_->main().parameters().empty()) throw Error("model '" + model.name + "'", "has no trainable constants");
  if (options.ema_decay > 0) average_ = std::make_unique<Replicas>(graph, module, options.threads, false);
  optimizer_ = std::make_unique<Sgd>(live_->main().parameters(), options.momentum, options.weight_decay);
  auto channel = [](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}, at::kFloat).reshape({1, 3, 1, 1});
  };
  mean_ = channel(options.preprocess.mean);
  deviation_ = channel(options.preprocess.std);

  LoaderOptions validation = loader_options(options);
  validation.batch_size = std::max(64, options.batch_size);
  validation_loader_ = std::make_unique<BatchLoader>(data.validation, validation);
  state_.height =
      training_size(static_cast<int>(options.preprocess.height), options.start_size, options.size_growth, 0);
  state_.width = training_size(static_cast<int>(options.preprocess.width), options.start_size, options.size_growth, 0);
  batches_ = loader().batches_per_epoch();
  state_.total = options.epochs * batches_;
}

/// The loader for the current image size.
BatchLoader& ClassifierRun::loader() {
  if (!train_loader_ || train_loader_->options().height != state_.height ||
      train_loader_->options().width != state_.width) {
    LoaderOptions train = loader_options(options_);
    train.height = state_.height;
    train.width = state_.width;
    train.augment = options_.augment;
    train.shuffle = true;
    train.balanced = options_.balanced;
    train.drop_last = true;
    train_loader_.reset();  // gives its memory back first
    TensorMemory::trim();
    train_loader_ = std::make_unique<BatchLoader>(data_.train, train);
    train_loader_->start(state_.step / batches_, state_.step % batches_);
  }
  return *train_loader_;
}

std::pair<at::Tensor, at::Tensor> ClassifierRun::to_torch(const Batch& batch, int64_t first, int64_t last) const {
  Dims dims = batch.images.dims();
  dims[0] = last - first;
  const auto* pixels = static_cast<const uint8_t*>(batch.images.raw()) + first * dims[1] * dims[2] * dims[3];
  // u8 NHWC memory seen as NCHW is channels-last already.
  at::Tensor x = at::from_blob(const_cast<uint8_t*>(pixels), dims, at::kByte).permute({0, 3, 1, 2}).to(at::kFloat);
  if (options_.preprocess.bgr) x = x.flip(1);
  at::Tensor target = at::empty({last - first}, at::kLong);
  std::copy(batch.labels.begin() + first, batch.labels.begin() + last, target.data_ptr<int64_t>());
  return {(x - mean_).div_(deviation_), target};
}

void ClassifierRun::count_time() {
  auto now = Clock::now();
  double passed = seconds_between(counted_, now);
  counted_ = now;
  state_.seconds += passed;
  state_.epoch_seconds += passed;
}

bool ClassifierRun::epoch_is_over() const {
  return state_.seen > 0 && (state_.step % batches_ == 0 || state_.step >= state_.total);
}

TrainResult ClassifierRun::train() {
  counted_ = saved_ = Clock::now();
  try {
    while (!state_.done) {
      if (!epoch_is_over()) train_epoch();
      finish_epoch();
    }
  } catch (const Interrupted&) {
    std::string remedy;
    if (!options_.checkpoint.empty()) {
      save();
      remedy = fmt::format("{} of {} batches are saved in '{}': run the same command with --resume to continue",
                           state_.step, state_.total, options_.checkpoint.string());
    }
    throw Interrupted("training", remedy);
  }
  progress_.end(fmt::format("best validation accuracy {:.1f}% in epoch {} of {}, {:.0f} images/s",
                            100 * state_.best_accuracy, state_.best_epoch, state_.history.size(),
                            static_cast<double>(state_.images) / std::max(1e-9, state_.train_seconds)));
  TrainResult result;
  result.history = state_.history;
  result.best_epoch = state_.best_epoch;
  result.best_accuracy = state_.best_accuracy;
  result.seconds = state_.seconds;
  result.images_per_second = static_cast<double>(state_.images) / std::max(1e-9, state_.train_seconds);
  result.stopped = state_.stopped;
  for (BatchLoader* loader : {train_loader_.get(), validation_loader_.get()})
    if (loader)
      for (const Skipped& skipped : loader->unreadable()) result.unreadable.push_back(skipped);
  return result;
}

void ClassifierRun::train_epoch() {
  if (state_.step % batches_ == 0) {
    double done = static_cast<double>(state_.step) / static_cast<double>(state_.total);
    state_.height =
        training_size(static_cast<int>(options_.preprocess.height), options_.start_size, options_.size_growth, done);
    state_.width =
        training_size(static_cast<int>(options_.preprocess.width), options_.start_size, options_.size_growth, done);
  }
  BatchLoader& batches = loader();
  show();
  while (state_.step < state_.total) {
    auto start = Clock::now();
    std::optional<Batch> batch = batches.next();
    if (!batch) break;
    train_batch(*batch);
    state_.train_seconds += seconds_between(start, Clock::now());
    count_time();
    show();
    if (options_.on_step) options_.on_step(state_.step);
    check_interrupt("training");
    save_when_due();
    double budget = options_.max_minutes * 60;
    if (budget <= 0) continue;
    if (!state_.planned && state_.step >= 5 && state_.seconds > 0.1 * budget) plan();
    if (state_.seconds > budget_overrun * budget) state_.total = state_.step;
  }
}

Schedule ClassifierRun::schedule() const {
  auto warmup = static_cast<int64_t>(options_.warmup_epochs * static_cast<double>(batches_));
  return {options_.learning_rate, options_.final_learning_rate, std::min(warmup, state_.total / 10), state_.total};
}

/// Forward (and backward in training) of a batch, split between the replicas.
ClassifierRun::Score ClassifierRun::run_batch(const Batch& batch, bool training) {
  auto count = static_cast<int64_t>(batch.labels.size());
  Replicas& model = training ? *live_ : evaluated();
  // A part below two images has no batch statistics.
  int parts = static_cast<int>(std::clamp<int64_t>(count / 2, 1, model.count()));
  std::vector<Score> scores(static_cast<size_t>(parts));
  threads_.run(parts, [&](int part) {
    int64_t first = count * part / parts, last = count * (part + 1) / parts;
    auto [x, target] = to_torch(batch, first, last);
    at::Tensor logits = model[part].forward({x}, training)[0];
    double smoothing = training ? options_.label_smoothing : 0;
    at::Tensor loss = at::cross_entropy_loss(logits, target, {}, at::Reduction::Sum, -100, smoothing);
    scores[static_cast<size_t>(part)] = {loss.item<float>(), 0,
                                         logits.detach().argmax(1).eq(target).sum().item<int64_t>()};
    if (training) (loss / static_cast<double>(count)).backward();
  });
  Score sum;
  for (const Score& score : scores) sum.loss += score.loss, sum.correct += score.correct;
  return {sum.loss / static_cast<double>(count), static_cast<double>(sum.correct) / static_cast<double>(count),
          sum.correct, count};
}

void ClassifierRun::train_batch(const Batch& batch) {
  Score score = run_batch(batch, true);
  if (!std::isfinite(score.loss))
    throw Error("training",
                fmt::format("the loss is {} in batch {} of epoch {}", score.loss, state_.step % batches_ + 1,
                            epoch_index() + 1),
                fmt::format("lower the learning rate (now {})", options_.learning_rate));
  live_->gather_gradients();
  live_->average_buffers();
  optimizer_->step(schedule().learning_rate(state_.step));
  if (average_) update_average(average_->main(), live_->main(), options_.ema_decay, state_.step);
  state_.loss_sum += score.loss * static_cast<double>(score.seen);
  state_.correct += score.correct;
  state_.seen += score.seen;
  state_.images += score.seen;
  state_.pixels += static_cast<double>(score.seen) * state_.height * state_.width;
  ++state_.step;
}

ClassifierRun::Score ClassifierRun::validate() {
  at::NoGradGuard no_grad;
  Score sum;
  validation_loader_->start(0);
  while (auto batch = validation_loader_->next()) {
    Score score = run_batch(*batch, false);
    sum.loss += score.loss * static_cast<double>(score.seen);
    sum.correct += score.correct;
    sum.seen += score.seen;
    check_interrupt("training");
  }
  auto seen = static_cast<double>(std::max<int64_t>(1, sum.seen));
  return {sum.loss / seen, static_cast<double>(sum.correct) / seen, sum.correct, sum.seen};
}

void ClassifierRun::keep_best(const Score& score) {
  bool better = score.accuracy > state_.best_accuracy ||
                (score.accuracy == state_.best_accuracy && score.loss < state_.best_loss);
  if (!better) return;
  state_.best_accuracy = score.accuracy;
  state_.best_loss = score.loss;
  state_.best_epoch = static_cast<int64_t>(state_.history.size());
  TorchGraph& model = evaluated().main();
  best_.clear();
  for (auto* list : {&model.parameters(), &model.buffers()})
    for (auto& variable : *list) best_.push_back(variable.tensor.detach().clone());
}

void ClassifierRun::finish_epoch() {
  auto start = Clock::now();
  Score score = validate();
  double took = seconds_between(start, Clock::now());
  count_time();
  auto epochs = static_cast<double>(state_.history.size());
  state_.validation_seconds = (state_.validation_seconds * epochs + took) / (epochs + 1);

  EpochRecord record;
  record.epoch = static_cast<int64_t>(state_.history.size()) + 1;
  record.loss = state_.loss_sum / static_cast<double>(state_.seen);
  record.accuracy = static_cast<double>(state_.correct) / static_cast<double>(state_.seen);
  record.validation_loss = score.loss;
  record.validation_accuracy = score.accuracy;
  record.learning_rate = schedule().learning_rate(state_.step - 1);
  record.seconds = state_.epoch_seconds;
  record.images_per_second = static_cast<double>(state_.seen) / std::max(1e-9, state_.epoch_seconds - took);
  record.height = state_.height;
  record.width = state_.width;
  state_.history.push_back(record);
  keep_best(score);
  state_.loss_sum = state_.epoch_seconds = 0;
  state_.correct = state_.seen = 0;

  double budget = options_.max_minutes * 60;
  if (options_.patience > 0 && record.epoch - state_.best_epoch >= options_.patience)
    state_.done = true, state_.stopped = StopReason::patience;
  else if (budget > 0 && state_.step < options_.epochs * batches_)
    plan();
  if (!state_.done && state_.step >= state_.total) {
    state_.done = true;
    state_.stopped = state_.total < options_.epochs * batches_ ? StopReason::time : StopReason::finished;
  }
  if (options_.on_epoch) options_.on_epoch(record);
  if (!options_.checkpoint.empty()) save();
}

/// Sets the length of the run by the time that is left. A plan that still fits within a few percent stays, so that a
/// continued run follows the plan of the one it continues.
void ClassifierRun::plan() {
  TimePlan time;
  time.budget = options_.max_minutes * 60;
  time.elapsed = state_.seconds;
  time.seconds_per_pixel = state_.train_seconds / std::max(1.0, state_.pixels);
  time.validation_seconds = state_.validation_seconds;
  time.batches_per_epoch = batches_;
  time.batch_size = options_.batch_size;
  time.height = static_cast<int>(options_.preprocess.height);
  time.width = static_cast<int>(options_.preprocess.width);
  time.start_ratio = options_.start_size;
  time.growth = options_.size_growth;
  if (state_.step >= state_.total) return;
  double expected = time.elapsed + time.remaining(state_.step, state_.total);
  bool longest = state_.total == options_.epochs * batches_;
  bool fits = expected <= 1.02 * time.budget && (longest || expected >= 0.92 * time.budget);
  if (!fits) state_.total = time.fit(state_.step, options_.epochs * batches_);
  state_.planned = true;
}

void ClassifierRun::show() {
  if (shown_total_ != state_.total) {
    if (shown_total_ >= 0) progress_.end();
    progress_.begin("training", state_.total);
    shown_total_ = state_.total;
  }
  auto epochs = (state_.total + batches_ - 1) / batches_;
  auto epoch = std::min(static_cast<int64_t>(state_.history.size()) + 1, epochs);
  std::string detail = fmt::format("epoch {}/{}", epoch, epochs);
  if (state_.seen > 0)
    detail += fmt::format("  loss {:.3f}  acc {:.1f}%", state_.loss_sum / static_cast<double>(state_.seen),
                          100.0 * static_cast<double>(state_.correct) / static_cast<double>(state_.seen));
  if (!state_.history.empty()) detail += fmt::format("  val {:.1f}%", 100 * state_.history.back().validation_accuracy);
  if (state_.images > 0)
    detail += fmt::format("  {:.0f} img/s", static_cast<double>(state_.images) / std::max(1e-9, state_.train_seconds));
  progress_.update(state_.step, detail);
}

void ClassifierRun::save_when_due() {
  if (options_.checkpoint.empty()) return;
  bool by_count = options_.checkpoint_batches > 0 && state_.step - saved_step_ >= options_.checkpoint_batches;
  bool by_time = seconds_between(saved_, Clock::now()) >= options_.checkpoint_seconds;
  if (by_count || by_time) save();
}

void ClassifierRun::visit_tensors(const std::function<void(const std::string&, at::Tensor&)>& visit) {
  auto model = [&](const char* prefix, TorchGraph& graph) {
    for (auto* list : {&graph.parameters(), &graph.buffers()})
      for (auto& variable : *list) visit(prefix + variable.name, variable.tensor);
  };
  model("live/", live_->main());
  if (average_) model("average/", average_->main());
  for (size_t i = 0; i < live_->main().parameters().size(); ++i)
    visit("velocity/" + live_->main().parameters()[i].name, optimizer_->velocities()[i]);
  size_t count = 0;
  if (best_.empty()) return;
  for (auto* list : {&live_->main().parameters(), &live_->main().buffers()})
    for (auto& variable : *list) visit("best/" + variable.name, best_[count++]);
}

void ClassifierRun::save() {
  Checkpoint checkpoint;
  visit_tensors(
      [&](const std::string& name, at::Tensor& tensor) { checkpoint.tensors[name] = torch_ops::from_torch(tensor); });
  for (int i = 0; i < live_->count(); ++i)
    checkpoint.tensors[fmt::format("generator/{}", i)] = torch_ops::from_torch((*live_)[i].generator().get_state());
  checkpoint.texts["options"] = options_text_;
  checkpoint.texts["data"] = data_text_;
  checkpoint.texts["graph"] = graph_text_;
  checkpoint.integers["threads"] = options_.threads;
  count_time();
  state_.save(checkpoint);
  save_checkpoint(options_.checkpoint, checkpoint);
  saved_ = Clock::now();
  saved_step_ = state_.step;
}

void ClassifierRun::load() {
  Checkpoint checkpoint = load_checkpoint(options_.checkpoint);
  std::string place = "checkpoint '" + options_.checkpoint.string() + "'";
  const char* remedy = "train with what it was made with, or start again without --resume";
  if (checkpoint.text("data") != data_text_)
    throw Error(place, fmt::format("is of other data ({}; now {})", checkpoint.text("data"), data_text_), remedy);
  if (checkpoint.text("graph") != graph_text_)
    throw Error(place, fmt::format("is of another model ({}; now {})", checkpoint.text("graph"), graph_text_), remedy);
  if (std::string change = first_difference(checkpoint.text("options"), options_text_); !change.empty())
    throw Error(place, "is of other options: " + change, remedy);
  if (checkpoint.integer("threads") != options_.threads)
    throw Error(place,
                fmt::format("was made with {} threads, now {}: the result would differ", checkpoint.integer("threads"),
                            options_.threads),
                remedy);
  state_.load(checkpoint);
  if (state_.best_epoch > 0) {
    best_.clear();
    for (auto* list : {&live_->main().parameters(), &live_->main().buffers()})
      for (auto& variable : *list) best_.push_back(variable.tensor.detach().clone());
  }
  at::NoGradGuard no_grad;
  visit_tensors([&](const std::string& name, at::Tensor& tensor) {
    at::Tensor saved = torch_ops::to_torch(checkpoint.tensor(name), place);
    if (saved.sizes() != tensor.sizes())
      throw Error(place, "tensor '" + name + "' has other sizes than the model", remedy);
    tensor.copy_(saved);
  });
  for (int i = 0; i < live_->count(); ++i) {
    (*live_)[i].generator().set_state(torch_ops::to_torch(checkpoint.tensor(fmt::format("generator/{}", i)), place));
    for (size_t k = 0; i > 0 && k < live_->main().buffers().size(); ++k)
      (*live_)[i].buffers()[k].tensor.copy_(live_->main().buffers()[k].tensor);
  }
  saved_step_ = state_.step;
  train_loader_.reset();  // the next one starts at the restored position and size
}

void ClassifierRun::store(Graph& model) {
  TorchGraph& source = evaluated().main();
  at::NoGradGuard no_grad;
  size_t count = 0;
  for (auto* list : {&source.parameters(), &source.buffers()})
    for (auto& variable : *list) variable.tensor.copy_(best_[count++]);
  source.store(model);
}

}  // namespace hone
