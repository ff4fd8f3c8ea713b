#include "app/programs/hone_trainer/train.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/programs/hone_trainer/budget.hpp"
#include "app/programs/hone_trainer/data.hpp"
#include "app/programs/hone_trainer/model.hpp"
#include "app/programs/hone_trainer/options.hpp"
#include "app/programs/hone_trainer/output.hpp"
#include "app/programs/hone_trainer/search.hpp"
#include "app/programs/hone_trainer/together.hpp"
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
  bool searching = !unfinished && fs::exists(options.in_output("search.json"), ignored);
  if (!options.train.resume) {
    if (unfinished)
      warn(fmt::format("starting again in '{}', which holds an earlier run (--resume would continue it)",
                       options.output));
    return;
  }
  if (!unfinished && !searching)
    throw Error("'" + options.output + "'", "has no run to continue (no checkpoint.bin)", "train without --resume");
  if (!fs::exists(options.in_output("train.json"), ignored)) return;
  Json record = read_json_file(options.in_output("train.json"));
  if (record.contains("arguments")) options.restore(record["arguments"]);
  if (unfinished && record.contains("chosen")) options.restore_chosen(record["chosen"]);
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

/// What is chosen by trying, unless an interrupted run has done so.
void choose_by_trying(TrainCommandOptions& options, ModelPlan& plan, const Splits& data, Json& record,
                      Progress& progress) {
  std::error_code ignored;
  if (options.train.resume && fs::exists(options.checkpoint(), ignored)) return;
  if (options.train.group && (options.find_lr || options.search > 0))
    throw Error(options.find_lr ? "--find-lr" : "--search", "is not for training in several processes",
                "search with one, then train in all with the settings found");
  if (options.find_lr) find_learning_rate(options, plan, data, progress);
  if (options.search == 0) return;
  record["arguments"] = options.arguments();
  write_json_file(options.in_output("train.json"), record);
  search_settings(options, plan, data, progress);
  options.train.resume = false;
  if (!options.chosen().contains("size")) return;
  set_size(options, plan, parse_size("size", options.size));
  options.train.preprocess = preprocess_of(options, plan);
}

/// Task, template, size and all settings, in the order in which they depend on one another.
ModelPlan choose_all(TrainCommandOptions& options, Splits& data, Json& record, Progress& progress) {
  ModelPlan plan = plan_model(options, data.train.task);
  options.set_defaults(plan.template_name, plan.task, data.train);
  if (!options.time.empty() && !options.train.resume) {
    if (is_first_process(options)) choose_by_time(options, plan, data);
    share_choices(options);
    if (options.chosen().contains("template")) plan.template_name = options.template_name;
    options.set_defaults(plan.template_name, plan.task, data.train);
  }
  set_size(options, plan, choose_size(options, plan, data.train));
  options.train.preprocess = preprocess_of(options, plan);
  if (plan.pretrained()) options.train.backbone = {"backbone/*"};
  keep_older_classes(options, plan, data);
  if (!options.train.resume) {
    if (is_first_process(options)) choose_batch(options, build_model(options, plan, data.train.classes), data.train);
    share_choices(options);
  }
  validate(options.train);
  choose_by_trying(options, plan, data, record, progress);
  return plan;
}

int train(TrainCommandOptions& options) {
  Together together(options);
  prepare_output(options);
  options.read_recipe_file();
  auto progress = make_progress();
  Splits data = read_training_data(options, *progress);
  Json record = Json::object();
  ModelPlan plan = choose_all(options, data, record, *progress);
  Graph model = build_model(options, plan, data.train.classes);

  record = describe_run(options, plan, data);
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
