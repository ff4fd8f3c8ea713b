// What a TrainingRun keeps in its checkpoint.
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "train/train_options.hpp"
#include "train/training_run.hpp"

namespace hone {

void TrainingRun::save_when_due() {
  if (options_.checkpoint.empty()) return;
  bool by_count = options_.checkpoint_batches > 0 && state_.step - saved_step_ >= options_.checkpoint_batches;
  bool by_time = Clock::now() - saved_ >= std::chrono::duration<double>(options_.checkpoint_seconds);
  if (by_count || by_time) save_or_warn();
}

/// A full disk must not end hours of training: the last checkpoint that was written stays. The first one must succeed,
/// as a wrong path would only be noticed when it is too late.
bool TrainingRun::save_or_warn() {
  try {
    save();
    return true;
  } catch (const Error& error) {
    if (!has_checkpoint_) throw;
    warn(fmt::format("{}; training goes on, the checkpoint stays that of batch {}", error.what(), saved_step_));
    saved_ = Clock::now();
    return false;
  }
}

void TrainingRun::visit_tensors(const std::function<void(const std::string&, at::Tensor&)>& visit) {
  auto model = [&](const char* prefix, TorchGraph& graph) {
    for (auto* list : {&graph.parameters(), &graph.buffers()})
      for (auto& variable : *list) visit(prefix + variable.name, variable.tensor);
  };
  model("live/", live_->main());
  if (average_) model("average/", average_->main());
  optimizer_->visit(visit);
  size_t count = 0;
  if (best_.empty()) return;
  for (auto* list : {&live_->main().parameters(), &live_->main().buffers()})
    for (auto& variable : *list) visit("best/" + variable.name, best_[count++]);
}

void TrainingRun::save() {
  Checkpoint checkpoint;
  visit_tensors(
      [&](const std::string& name, at::Tensor& tensor) { checkpoint.tensors[name] = torch_ops::from_torch(tensor); });
  checkpoint.texts["options"] = options_text_;
  checkpoint.texts["data"] = data_text_;
  checkpoint.texts["graph"] = graph_text_;
  checkpoint.integers["threads"] = options_.threads * processes();
  count_time();
  state_.save(checkpoint);
  save_checkpoint(options_.checkpoint, checkpoint);
  saved_ = Clock::now();
  saved_step_ = state_.step;
  has_checkpoint_ = true;
}

void TrainingRun::load() {
  Checkpoint checkpoint = load_checkpoint(options_.checkpoint);
  std::string place = "checkpoint '" + options_.checkpoint.string() + "'";
  const char* remedy = "train with what it was made with, or start again without --resume";
  if (checkpoint.text("data") != data_text_)
    throw Error(place, fmt::format("is of other data ({}; now {})", checkpoint.text("data"), data_text_), remedy);
  if (checkpoint.text("graph") != graph_text_)
    throw Error(place, fmt::format("is of another model ({}; now {})", checkpoint.text("graph"), graph_text_), remedy);
  if (std::string change = first_difference(checkpoint.text("options"), options_text_); !change.empty())
    throw Error(place, "is of other options: " + change, remedy);
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
  live_->share_buffers();
  saved_step_ = state_.step;
  has_checkpoint_ = true;
  train_loader_.reset();  // the next one starts at the restored position and size
}

}  // namespace hone
