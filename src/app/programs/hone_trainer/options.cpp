#include "app/programs/hone_trainer/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/support/range.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "train/classifier_trainer.hpp"
#include "train/recipes.hpp"
#include "train/templates.hpp"

namespace hone::app {

namespace {

const std::set<std::string> not_of_the_run = {"--resume", "--json", "--output", "--help"};
const char* const by_recipe = "by the recipe";

bool is_run_option(const CLI::Option* option) {
  return option->get_name().starts_with("--") && !not_of_the_run.count(option->get_name());
}

/// What an option takes, from JSON: a number, a text, true or a list.
std::vector<std::string> as_words(const Json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  if (!value.is_array()) return {value.dump()};
  std::vector<std::string> words;
  for (const Json& item : value) words.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  return words;
}

std::string template_names() {
  std::string names;
  for (const Template& known : templates()) names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

void add_model(CLI::App& command, TrainCommandOptions& o) {
  const char* group = "Model";
  auto add = [&](const char* name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(group);
  };
  add("--template", o.template_name, "architecture (hone find lists them with their costs): " + template_names());
  add("--backbone", o.backbone,
      "start from a trained model: an ONNX file, or model.onnx of an earlier run, whose classes are kept");
  add("--cut", o.cut, "values of the backbone to cut at, with commas; default: found");
  command.add_flag("--freeze-backbone", o.freeze_backbone, "train only what is new")->group(group);
  command
      .add_flag("--no-probe", o.no_probe,
                "do not fit a classifier's last layer to the features of the backbone before the training")
      ->group(group);
  command
      .add_flag("--unfold-norm", o.unfold_norm,
                "put batch normalization back where the backbone has it folded into convolutions: for long trainings")
      ->group(group);
  add("--mean", o.pixels.mean,
      "of the pixels (0..255) that the backbone was trained with; default: what it records, else ImageNet's");
  add("--std", o.pixels.std, "as --mean");
  add("--channels", o.pixels.channels, "as --mean: rgb or bgr");
  add("--width", o.width, "multiplies the channels of every layer")->check(in_range(0.05, 8.0))->default_str(by_recipe);
  add("--size", o.size,
      "N or HxW: size of the images inside the network; default: by the recipe, or found from the data");
  add("--dropout", o.dropout, "before a classifier's last layer")->check(in_range(0.0, 0.99))->default_str(by_recipe);
}

void add_schedule(CLI::App& command, TrainCommandOptions& o) {
  TrainOptions& t = o.train;
  const char* group = "Schedule";
  auto add = [&](const char* name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(group)->default_str(by_recipe);
  };
  add("--time", o.time,
      "10m, 90s or 1h: end within this time; picks template, size and epochs to fit, where they are not given")
      ->default_str("");
  add("--recipe", o.recipe, "JSON file with options, such as {\"lr\": 0.01}; the command line is stronger")
      ->default_str("");
  add("--search", o.search, "try this many settings by successive halving, then train with the best")
      ->check(in_range(0, 1000))
      ->default_str("");
  command
      .add_flag("--find-lr", o.find_lr, "choose the learning rate by short trainings with a few, on some of the images")
      ->group(group);
  add("--epochs", t.epochs, "at most this many passes over the images");
  add("--minutes", t.max_minutes, "shorten the schedule to end within this time; 0: no limit");
  add("--lr", t.learning_rate, "peak learning rate");
  add("--backbone-rate", t.backbone_rate, "learning rate of the backbone relative to the rest");
  add("--warm-frozen", t.warm_frozen_epochs, "epochs during which the backbone rests");
  add("--batch", t.batch_size, "images a step");
  add("--optimizer", o.optimizer, "sgd or adamw")->check(CLI::IsMember({"sgd", "adamw"}));
  add("--weight-decay", t.weight_decay, "pulls weights towards 0");
  add("--warmup", t.warmup_epochs, "epochs until the peak learning rate");
  add("--clip-gradient", t.clip_gradient, "largest norm of the gradients; 0: any");
  add("--average", t.ema_decay, "decay of the averaged weights that are kept; 0: none");
  add("--label-smoothing", t.label_smoothing, "0 to 1 (classification)");
  add("--patience", t.patience, "stop after this many epochs without a better validation; 0: never");
  add("--start-size", t.start_size, "begin with smaller images, relative to the full size");
}

void add_variation(CLI::App& command, TrainCommandOptions& o) {
  AugmentOptions& a = o.train.augment;
  const char* group = "Variation of classification images";
  auto add = [&](const char* name, auto& value, const std::string& help) {
    command.add_option(name, value, help)->group(group)->default_str(by_recipe);
  };
  add("--min-area", a.min_area, "of the random crop, 0 to 1");
  add("--flip", a.flip, "probability of a left-right flip");
  add("--vertical-flip", a.vertical_flip, "probability of an upside-down flip");
  add("--rotation", a.rotation, "degrees, to both sides");
  add("--brightness", a.brightness, "0 to 1");
  add("--contrast", a.contrast, "0 to 1");
  add("--saturation", a.saturation, "0 to 1");
  add("--hue", a.hue, "turns of the color circle");
  add("--erase", a.erase, "probability that a rectangle is replaced");
  add("--balanced", o.train.balanced, "every class equally often");
  const char* others = "Detection and segmentation";
  command.add_option("--score", o.score_threshold, "detections below this score are left out of the model's output")
      ->group(others)
      ->check(in_range(0.0, 1.0));
  command.add_option("--nms-iou", o.nms_iou, "of two boxes of a class that overlap more, one stays")
      ->group(others)
      ->check(in_range(0.0, 1.0));
  command.add_option("--mosaic", o.detection.scene.mosaic, "probability of four images in one (detection)")
      ->group(others);
  command.add_option("--class-balance", o.segmentation.class_balance, "rare classes weigh more, 0 to 1 (segmentation)")
      ->group(others);
}

}  // namespace

void TrainCommandOptions::add(CLI::App& command) {
  app = &command;
  command.add_option("DATA", data, "folder with a sub-folder a class, or any data set that hone data check knows")
      ->required();
  command.add_option("--format", format, "format of the data set; default: found from what lies in the folder");
  command.add_option("--task", task,
                     "classification, multi-label, detection or segmentation; default: what the annotation is for");
  command.add_flag("--hierarchical", hierarchical, "folders in folders are levels of classes: a/b");
  command
      .add_option("-o,--output", output,
                  "folder for model.onnx, train.json, logs, the lists of images used, and the checkpoint")
      ->required();
  add_model(command, *this);
  add_schedule(command, *this);
  add_variation(command, *this);
  command.add_option("--validation-fraction", validation_fraction, "of each class, when DATA has no validation part")
      ->check(in_range(0.01, 0.9));
  command.add_option("--seed", train.seed, "of the initial weights, the order of images and their variation");
  command.add_option("--threads", train.threads, "0: one per processor")->check(in_range(0, 1024));
  command.add_flag("--resume", train.resume, "continue an interrupted run in the output folder, with its options");
  command.add_flag("--json", json, "print JSON");
}

bool TrainCommandOptions::given(const std::string& option) const {
  const CLI::Option* found = app->get_option_no_throw(option);
  return found && found->count() > 0;
}

Json TrainCommandOptions::arguments() const {
  Json json = Json::object();
  for (const CLI::Option* option : app->get_options())
    if (is_run_option(option) && option->count() > 0 && !from_recipe_.count(option->get_name()))
      json[option->get_name()] = option->results();
  return json;
}

void TrainCommandOptions::restore(const Json& arguments) {
  for (CLI::Option* option : app->get_options()) {
    std::string name = option->get_name();
    if (!is_run_option(option) || option->count() > 0 || !arguments.contains(name)) continue;
    option->add_result(arguments[name].get<std::vector<std::string>>());
    option->run_callback();
  }
}

void TrainCommandOptions::apply(const Json& values, const std::string& place) {
  if (!values.is_object()) throw Error(place, "is no JSON object", "expected {\"lr\": 0.01, \"size\": \"160\"}");
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options())
    if (is_run_option(option)) names.push_back(option->get_name().substr(2));
  for (auto& [name, value] : values.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      std::vector<std::string> near = nearest_words(name, names, 1);
      throw Error(place, "has the unknown option '" + name + "'",
                  near.empty() ? "" : "did you mean '" + near[0] + "'?");
    }
    CLI::Option* option = app->get_option("--" + name);
    if (option->count() > 0) continue;
    try {
      option->add_result(as_words(value));
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw Error(place, fmt::format("has '{}': {}, which is no value for it: {}", name, value.dump(), error.what()));
    }
    from_recipe_.insert("--" + name);
  }
}

void TrainCommandOptions::choose(const std::string& name, const Json& value) {
  if (given("--" + name)) return;
  apply({{name, value}}, "choice");
  chosen_[name] = value;
}

void TrainCommandOptions::restore_chosen(const Json& chosen) {
  for (auto& [name, value] : chosen.items()) choose(name, value);
}

void TrainCommandOptions::read_recipe_file() {
  if (!recipe.empty()) apply(read_json_file(recipe), "recipe '" + recipe + "'");
}

void TrainCommandOptions::set_defaults(const std::string& known_template, Task what, const Dataset& data_set) {
  switch (what) {
    case Task::detection: set_detection_defaults(train, data_set); break;
    case Task::segmentation: set_segmentation_defaults(train, data_set, !backbone.empty()); break;
    default:
      if (!backbone.empty()) set_backbone_defaults(train, data_set);
  }
  std::set<std::string> chosen = from_recipe_;
  if (const char* text = backbone.empty() ? builtin_recipe(known_template) : nullptr) {
    Json values = Json::parse(text);
    apply(values, "recipe of the template " + known_template);
    // Defaults are not "given": they are cleared again once they have been taken over.
    for (auto& [name, value] : values.items())
      if (!chosen.count("--" + name) && from_recipe_.erase("--" + name)) app->get_option("--" + name)->clear();
  }
  for (CLI::Option* option : app->get_options())
    if (is_run_option(option) && option->count() > 0) option->run_callback();
  if (!optimizer.empty()) train.optimizer = optimizer == "adamw" ? OptimizerKind::adamw : OptimizerKind::sgd;
  if (!time.empty()) train.max_minutes = parse_minutes("--time", time);
  if (freeze_backbone) train.backbone_rate = 0;
  detection.decoding.score_threshold = score_threshold;
  detection.decoding.nms_iou = nms_iou;
}

double parse_minutes(const std::string& option, const std::string& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(end, text.data() + text.size());
  std::map<std::string, double> minutes = {{"", 1}, {"s", 1.0 / 60}, {"m", 1}, {"min", 1}, {"h", 60}};
  if (error != std::errc() || !std::isfinite(value) || value <= 0 || !minutes.count(unit))
    throw UsageError(fmt::format("{} '{}': expected a time such as 10m, 90s or 1.5h", option, text));
  return value * minutes[unit];
}

}  // namespace hone::app
