#include "train/run_state.hpp"

#include <fmt/format.h>

namespace hone {

namespace {

/// The same list of fields for both directions.
struct Saver {
  Checkpoint& checkpoint;
  void field(const std::string& name, int64_t value) { checkpoint.integers[name] = value; }
  void field(const std::string& name, int value) { checkpoint.integers[name] = value; }
  void field(const std::string& name, bool value) { checkpoint.integers[name] = value; }
  void field(const std::string& name, StopReason value) { checkpoint.integers[name] = static_cast<int64_t>(value); }
  void field(const std::string& name, double value) { checkpoint.numbers[name] = value; }
};

struct Loader {
  const Checkpoint& checkpoint;
  void field(const std::string& name, int64_t& value) { value = checkpoint.integer(name); }
  void field(const std::string& name, int& value) { value = static_cast<int>(checkpoint.integer(name)); }
  void field(const std::string& name, bool& value) { value = checkpoint.integer(name) != 0; }
  void field(const std::string& name, StopReason& value) { value = static_cast<StopReason>(checkpoint.integer(name)); }
  void field(const std::string& name, double& value) { value = checkpoint.number(name); }
};

template <class Visitor, class State>
void visit(Visitor visitor, State& s) {
  visitor.field("step", s.step);
  visitor.field("total", s.total);
  visitor.field("planned", s.planned);
  visitor.field("height", s.height);
  visitor.field("width", s.width);
  visitor.field("loss_sum", s.loss_sum);
  visitor.field("metric_sum", s.metric_sum);
  visitor.field("seen", s.seen);
  visitor.field("epoch_seconds", s.epoch_seconds);
  visitor.field("seconds", s.seconds);
  visitor.field("train_seconds", s.train_seconds);
  visitor.field("pixels", s.pixels);
  visitor.field("images", s.images);
  visitor.field("validation_seconds", s.validation_seconds);
  visitor.field("best_epoch", s.best_epoch);
  visitor.field("best_metric", s.best_metric);
  visitor.field("best_loss", s.best_loss);
  visitor.field("done", s.done);
  visitor.field("stopped", s.stopped);
  for (size_t i = 0; i < s.history.size(); ++i) {
    auto& record = s.history[i];
    std::string prefix = fmt::format("history/{}/", i);
    visitor.field(prefix + "epoch", record.epoch);
    visitor.field(prefix + "loss", record.loss);
    visitor.field(prefix + "metric", record.metric);
    visitor.field(prefix + "validation_loss", record.validation_loss);
    visitor.field(prefix + "validation_metric", record.validation_metric);
    visitor.field(prefix + "learning_rate", record.learning_rate);
    visitor.field(prefix + "seconds", record.seconds);
    visitor.field(prefix + "images_per_second", record.images_per_second);
    visitor.field(prefix + "height", record.height);
    visitor.field(prefix + "width", record.width);
  }
}

}  // namespace

void RunState::save(Checkpoint& checkpoint) const {
  checkpoint.integers["epochs"] = static_cast<int64_t>(history.size());
  visit(Saver{checkpoint}, *this);
}

void RunState::load(const Checkpoint& checkpoint) {
  history.assign(static_cast<size_t>(checkpoint.integer("epochs")), EpochRecord());
  visit(Loader{checkpoint}, *this);
}

}  // namespace hone
