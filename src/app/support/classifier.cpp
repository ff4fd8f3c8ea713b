#include "app/support/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "graph/split_preprocess.hpp"
#include "import/import.hpp"
#include "run/scores.hpp"

namespace hone::app {

namespace {
std::vector<float> sigmoids(std::span<const float> logits) {
  std::vector<float> probabilities;
  for (float x : logits) probabilities.push_back(1 / (1 + std::exp(-x)));
  return probabilities;
}
}  // namespace

/// Threads that turn images into inputs of the network, a bounded number ahead of the consumer, who gets them in order.
class Classifier::Pipeline {
 public:
  struct Item {
    Tensor input;
    std::string unreadable;  ///< why, when it is
  };

  Pipeline(size_t count, const LoadImage& load_image, std::shared_ptr<PlanSource> prepare, int workers, size_t ahead)
      : count_(count), load_image_(load_image), prepare_(std::move(prepare)), slots_(ahead), ready_(ahead, false) {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Pipeline() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    space_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// The next item in the order of the images; throws what stopped a worker, or Interrupted.
  Item next() {
    std::unique_lock lock(mutex_);
    size_t slot = taken_ % slots_.size();
    while (!ready_[slot]) {
      if (failure_) std::rethrow_exception(failure_);
      if (interrupt_requested()) throw Interrupted("classification");
      arrived_.wait_for(lock, std::chrono::milliseconds(200));
    }
    Item item = std::move(slots_[slot]);
    ready_[slot] = false;
    ++taken_;
    lock.unlock();
    space_.notify_all();
    return item;
  }

 private:
  void work() {
    try {
      std::optional<Session> session;
      if (prepare_) session.emplace(prepare_);
      while (true) {
        size_t index;
        {
          std::unique_lock lock(mutex_);
          space_.wait(lock, [&] { return stop_ || claimed_ == count_ || claimed_ < taken_ + slots_.size(); });
          if (stop_ || claimed_ == count_) return;
          index = claimed_++;
        }
        Item item = load(index, session);
        std::lock_guard lock(mutex_);
        slots_[index % slots_.size()] = std::move(item);
        ready_[index % slots_.size()] = true;
        arrived_.notify_one();
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      arrived_.notify_one();
    }
  }

  Item load(size_t index, std::optional<Session>& session) const {
    Item item;
    Tensor image;
    try {
      image = load_image_(index);
    } catch (const Error& error) {
      item.unreadable = error.problem();
      return item;
    }
    Tensor batch = image.reshaped({1, image.dim(0), image.dim(1), 3});
    item.input = session ? session->run(std::span(&batch, 1))[0] : batch;
    return item;
  }

  size_t count_;
  const LoadImage& load_image_;
  std::shared_ptr<PlanSource> prepare_;
  std::mutex mutex_;
  std::condition_variable space_, arrived_;
  std::vector<Item> slots_;
  std::vector<bool> ready_;
  size_t claimed_ = 0, taken_ = 0;
  bool stop_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

Classifier::Classifier(const Graph& model, std::vector<std::string> labels, const ClassifierOptions& options)
    : labels_(std::move(labels)), workers_(std::max(1, cpu_features().cores)), multi_label_(options.multi_label) {
  std::optional<SplitModel> parts = split_after_resize(model);
  const Graph& network = parts ? parts->network : model;
  const Dim& batch = network.inputs().at(0)->shape()[0];
  batch_ = batch.known() ? static_cast<int>(batch.value) : options.batch;
  if (parts) {
    DeviceOptions single = options.device;
    single.threads = 1;
    prepare_ = load(parts->prepare, single);
  }
  if (network.outputs().empty()) throw Error("graph '" + model.name + "'", "has no output");
  const GraphOutput& scores = network.outputs()[0];
  classes_ = class_count({scores.name, scores.value->dtype(), scores.value->shape()});
  if (!labels_.empty() && static_cast<int>(labels_.size()) != classes_)
    throw Error("labels", fmt::format("{} class names for a model with {} classes", labels_.size(), classes_),
                "give a file with one name a class to --labels");
  sigmoids_inside_ = scores.value->producer() && scores.value->producer()->is("Sigmoid");
  network_.emplace(load(network, options.device));
}

std::string Classifier::label(int index) const {
  return labels_.empty() ? fmt::format("class {}", index) : labels_[static_cast<size_t>(index)];
}

void Classifier::classify(size_t count, const LoadImage& load_image, const OnScores& on_scores,
                          const OnUnreadable& on_unreadable) {
  size_t ahead = static_cast<size_t>(4 * workers_ + batch_);
  int workers = std::min<int>(workers_, static_cast<int>(std::max<size_t>(1, count)));
  Pipeline pipeline(count, load_image, prepare_, workers, ahead);
  std::vector<size_t> waiting;  // indices of the images in input_
  for (size_t i = 0; i < count; ++i) {
    Pipeline::Item item = pipeline.next();
    check_interrupt("classification");
    if (!item.unreadable.empty()) {
      on_unreadable(i, item.unreadable);
      continue;
    }
    Dims dims = item.input.dims();
    dims[0] = batch_;
    if (!waiting.empty() && dims != input_.dims()) flush(std::exchange(waiting, {}), on_scores);
    if (input_.dims() != dims) input_ = Tensor::zeros(item.input.dtype(), dims);
    std::memcpy(static_cast<char*>(input_.mutable_raw()) + waiting.size() * item.input.bytes(), item.input.raw(),
                item.input.bytes());
    waiting.push_back(i);
    if (static_cast<int>(waiting.size()) == batch_) flush(std::exchange(waiting, {}), on_scores);
  }
  flush(waiting, on_scores);
}

/// Runs the batch; rows behind the waiting ones hold older images and are not looked at.
void Classifier::flush(std::span<const size_t> indices, const OnScores& on_scores) {
  if (indices.empty()) return;
  outputs_.resize(network_->outputs().size());
  network_->run(std::span(&input_, 1), outputs_);
  std::span<const float> scores = outputs_[0].data<float>();
  if (scores.size() != static_cast<size_t>(batch_ * classes_))
    throw Error(
        "output '" + network_->outputs()[0].name + "'",
        fmt::format("is {} for {} images, expected a row of scores an image", to_string(outputs_[0].dims()), batch_));
  for (size_t row = 0; row < indices.size(); ++row) {
    std::span<const float> own = scores.subspan(row * static_cast<size_t>(classes_), static_cast<size_t>(classes_));
    if (!multi_label_) on_scores(indices[row], to_probabilities(own));
    else if (sigmoids_inside_) on_scores(indices[row], own);
    else on_scores(indices[row], sigmoids(own));
  }
}

LoadedModel load_image_model(const std::filesystem::path& path, const ImageFlags& flags) {
  LoadedModel model;
  model.graph = import_model(path);
  model.labels = flags.class_names(model.graph);
  if (!flags.ready_for_images(model.graph)) {
    if (flags.given().empty())
      warn(
          "the model has no preprocessing inside and none was given: it gets RGB pixels 0..255 (see --mean, --std, "
          "--channels)");
    attach_preprocess(model.graph, flags.preprocess(model.graph));
  }
  return model;
}

}  // namespace hone::app
