#include "app/programs/hone_trainer/train.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/programs/hone_trainer/data.hpp"
#include "app/programs/hone_trainer/model.hpp"
#include "app/programs/hone_trainer/options.hpp"
#include "app/programs/hone_trainer/output.hpp"
#include "app/support/terminal.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "data/names.hpp"
#include "train/log/epoch_log.hpp"
#include "train/train_options.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

/// Fails early, and prepares --resume.
void prepare_output(TrainCommandOptions& options) {
  make_writable_folder(options.output);
  options.train.checkpoint = options.checkpoint();
  std::error_code ignored;
  bool unfinished = fs::exists(options.checkpoint(), ignored);
  if (!options.train.resume) {
    if (unfinished) warn(fmt::format("starting again in '{}', which holds an earlier run (--resume would continue it)", options.output));
    return;
  }
  if (!unfinished)
    throw Error("'" + options.output + "'", "has no run to continue (no checkpoint.bin)", "train without --resume");
  if (!fs::exists(options.in_output("train.json"), ignored)) return;
  Json record = read_json_file(options.in_output("train.json"));
  if (record.contains("arguments")) options.restore(record["arguments"]);
}

/// Classes that only the backbone's model knew stay as they are; features must not move under them.
void keep_older_classes(TrainCommandOptions& options, const ModelPlan& plan, Splits& data) {
  const std::vector<std::string>& labels = plan.backbone.labels;
  if (!plan.pretrained() || plan.task != Task::classification || labels.empty()) return;
  size_t before = data.train.classes.size();
  std::vector<std::string> known;
  for (const std::string& name : data.train.classes)
    if (std::find(labels.begin(), labels.end(), name) != labels.end()) known.push_back(name);
  if (known.empty()) return;  // another subject
  add_older_classes(data, labels);
  size_t added = data.train.classes.size() - before;
  fmt::print(stderr, "{}: {} of the classes are known already{}\n", options.backbone, known.size(),
             added == 0 ? "" : fmt::format("; {} that the data has no images of are kept as they are", added));
  if (added > 0 && !options.given("--backbone-rate")) {
    options.train.backbone_rate = 0;
    warn("the backbone rests, so that the classes without images are not forgotten");
  }
}

int train(TrainCommandOptions& options) {
  prepare_output(options);
  options.read_recipe_file();
  auto progress = make_progress();
  Splits data = read_training_data(options, *progress);
  ModelPlan plan = plan_model(options, data.train.task);
  options.template_name = plan.template_name;
  options.set_defaults(plan.task, data.train);
  set_size(options, plan, choose_size(options, plan, data.train));
  options.train.preprocess = preprocess_of(options, plan);
  if (plan.pretrained()) options.train.backbone = {"backbone/*"};
  keep_older_classes(options, plan, data);
  validate(options.train);
  Graph model = build_model(options, plan, data.train.classes);

  Json record = describe_run(options, plan, data);
  write_json_file(options.in_output("train.json"), record);
  write_split(options, "train", data.train);
  write_split(options, "validation", data.validation);
  EpochLog log(options.output, options.train.resume);
  std::string metric = metric_of(plan.task);
  options.train.on_epoch = [&](const EpochRecord& epoch) { log.add(epoch, metric); };
  TrainResult result = train_model(model, data, options, *progress);
  write_model(model, options, plan, data, result);
  add_result(record, result);
  write_json_file(options.in_output("train.json"), record);
  if (options.json) print_json(record);
  else print_result(options, data, result);
  return 0;
}

}  // namespace

Action add_train(CLI::App& app) {
  auto options = std::make_shared<TrainCommandOptions>();
  options->add(app);
  return [options] { return train(*options); };
}

}  // namespace hone::app
