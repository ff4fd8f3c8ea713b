#include "train/train_options.hpp"

#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"

namespace hone {

const char* name_of(OptimizerKind kind) { return kind == OptimizerKind::adamw ? "adamw" : "sgd"; }

void validate(const TrainOptions& o) {
  auto check = [](bool good, const char* name, auto value, const char* expected) {
    if (!good) throw Error(std::string("training option ") + name, fmt::format("is {}, expected {}", value, expected));
  };
  check(o.epochs >= 1, "epochs", o.epochs, "at least 1");
  check(o.max_minutes >= 0, "max_minutes", o.max_minutes, "0 or more");
  check(o.batch_size >= 2, "batch_size", o.batch_size, "at least 2, for the statistics of a batch");
  check(o.learning_rate > 0 && o.learning_rate <= 100, "learning_rate", o.learning_rate, "above 0 and at most 100");
  check(o.final_learning_rate >= 0 && o.final_learning_rate <= 1, "final_learning_rate", o.final_learning_rate,
        "0 to 1");
  check(o.warmup_epochs >= 0, "warmup_epochs", o.warmup_epochs, "0 or more");
  check(o.momentum >= 0 && o.momentum < 1, "momentum", o.momentum, "0 or more and below 1");
  check(o.second_momentum >= 0 && o.second_momentum < 1, "second_momentum", o.second_momentum, "0 or more and below 1");
  check(o.clip_gradient >= 0, "clip_gradient", o.clip_gradient, "0 or more");
  check(o.backbone_rate >= 0 && o.backbone_rate <= 10, "backbone_rate", o.backbone_rate, "0 to 10");
  check(o.warm_frozen_epochs >= 0, "warm_frozen_epochs", o.warm_frozen_epochs, "0 or more");
  check(o.weight_decay >= 0 && o.weight_decay < 1, "weight_decay", o.weight_decay, "0 or more and below 1");
  check(o.label_smoothing >= 0 && o.label_smoothing < 1, "label_smoothing", o.label_smoothing, "0 or more and below 1");
  check(o.ema_decay >= 0 && o.ema_decay < 1, "ema_decay", o.ema_decay, "0 or more and below 1");
  check(o.patience >= 0, "patience", o.patience, "0 or more");
  check(o.start_size > 0 && o.start_size <= 1, "start_size", o.start_size, "above 0 and at most 1");
  check(o.size_growth >= 0 && o.size_growth <= 1, "size_growth", o.size_growth, "0 to 1");
  check(o.threads >= 0, "threads", o.threads, "0 or more");
  check(o.loader_threads >= 0, "loader_threads", o.loader_threads, "0 or more");
  for (float deviation : o.preprocess.std) check(deviation > 0, "preprocess.std", deviation, "above 0");
  if (o.resume && o.checkpoint.empty()) throw Error("training option resume", "needs a checkpoint file");
  validate(o.augment);
}

std::string describe(const TrainOptions& o) {
  std::string text;
  auto add = [&](const char* name, const auto& value) { text += fmt::format("{}={}\n", name, value); };
  add("preprocess", to_string(o.preprocess));
  add("epochs", o.epochs);
  add("max_minutes", o.max_minutes);
  add("batch_size", o.batch_size);
  add("optimizer", name_of(o.optimizer));
  add("learning_rate", o.learning_rate);
  add("final_learning_rate", o.final_learning_rate);
  add("warmup_epochs", o.warmup_epochs);
  add("momentum", o.momentum);
  add("second_momentum", o.second_momentum);
  add("weight_decay", o.weight_decay);
  add("clip_gradient", o.clip_gradient);
  add("label_smoothing", o.label_smoothing);
  add("balanced", o.balanced);
  add("ema_decay", o.ema_decay);
  add("patience", o.patience);
  add("start_size", o.start_size);
  add("size_growth", o.size_growth);
  add("seed", o.seed);
  const AugmentOptions& a = o.augment;
  add("augment", fmt::format("area {}-{} aspect {}-{} flip {} {} rotation {} color {} {} {} {} erase {} {}", a.min_area,
                             a.max_area, a.min_aspect, a.max_aspect, a.flip, a.vertical_flip, a.rotation, a.brightness,
                             a.contrast, a.saturation, a.hue, a.erase, a.erase_max_area));
  add("freeze", fmt::format("{}", fmt::join(o.freeze, " ")));
  add("backbone", fmt::format("{}", fmt::join(o.backbone, " ")));
  add("backbone_rate", o.backbone_rate);
  add("warm_frozen_epochs", o.warm_frozen_epochs);
  return text;
}

namespace {

class Hash {
 public:
  void add(std::string_view text) {
    for (char c : text) mix(static_cast<unsigned char>(c));
    mix(0x100);  // ends a text, so that "ab" "c" is not "a" "bc"
  }
  void mix(uint64_t value) { state_ = (state_ ^ value) * 0x100000001b3u; }
  std::string text() const { return fmt::format("{:016x}", state_); }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

void add_dataset(Hash& hash, const Dataset& dataset) {
  for (const std::string& name : dataset.classes) hash.add(name);
  for (const Sample& sample : dataset.samples) {
    hash.add(sample.path.filename().string());
    hash.mix(static_cast<uint64_t>(sample.label));
  }
}

}  // namespace

std::string fingerprint(const Splits& data) {
  Hash hash;
  add_dataset(hash, data.train);
  add_dataset(hash, data.validation);
  return fmt::format("{} classes, {} train and {} validation images, {}", data.train.classes.size(),
                     data.train.samples.size(), data.validation.samples.size(), hash.text());
}

std::string fingerprint(const Graph& graph) {
  Hash hash;
  for (auto& node : graph.nodes()) {
    hash.add(node->op().type());
    for (auto& [name, value] : get_attributes(node->op())) hash.add(name), hash.add(to_string(value));
    for (const Value* input : node->inputs()) {
      if (input)
        hash.add(input->name), hash.add(input->is_constant() ? to_string(input->constant().dims()) : "");
      else
        hash.add("absent");
    }
  }
  return fmt::format("{} nodes, {}", graph.nodes().size(), hash.text());
}

std::string first_difference(const std::string& before, const std::string& now) {
  std::istringstream a(before), b(now);
  std::string x, y;
  while (true) {
    bool more_a = static_cast<bool>(std::getline(a, x)), more_b = static_cast<bool>(std::getline(b, y));
    if (!more_a && !more_b) return {};
    if (!more_a || !more_b) return "another list of options";
    if (x == y) continue;
    size_t at = y.find('=');
    return fmt::format("{} was {}, is {}", y.substr(0, at), x.substr(std::min(x.size(), at + 1)), y.substr(at + 1));
  }
}

}  // namespace hone
