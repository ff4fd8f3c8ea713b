#include "app/programs/hone_trainer/train.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/support/format.hpp"
#include "app/support/labelled_data.hpp"
#include "app/support/options.hpp"
#include "app/support/range.hpp"
#include "app/support/skipped.hpp"
#include "app/support/terminal.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "data/dataset.hpp"
#include "data/names.hpp"
#include "data/split.hpp"
#include "export/export.hpp"
#include "train/classifier_trainer.hpp"
#include "train/templates.hpp"
#include "train/train_options.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

struct TrainCommandOptions {
  std::string data, format, task, output, template_name = "mobilenet_v2", size = "128";
  double width = 0.5;
  double validation_fraction = 0.2;
  TrainOptions train;
  bool json = false;
  CLI::App* app = nullptr;

  void add(CLI::App& command) {
    app = &command;
    std::string names;
    for (const Template& known : templates()) names += (names.empty() ? "" : ", ") + std::string(known.name);
    command.add_option("DATA", data, "folder with a sub-folder a class, or train/ and val/ with those; or another data set of labelled images (see hone data check --help)")->required();
    command.add_option("--format", format, "format of the data set; default: found from what lies in the folder");
    command.add_option("--task", task, "classification, to read the labels of a data set that has other annotation as well");
    command.add_option("-o,--output", output, "folder for model.onnx, train.json, the lists of images used, and the checkpoint")->required();
    command.add_option("--template", template_name, "architecture: " + names);
    command.add_option("--width", width, "multiplies the channels of every layer")->check(in_range(0.05, 8.0));
    command.add_option("--size", size, "N or HxW: size of the images inside the network");
    command.add_option("--epochs", train.epochs, "at most this many passes over the images");
    command.add_option("--minutes", train.max_minutes, "end within this time; 0: no limit");
    command.add_option("--lr", train.learning_rate, "peak learning rate");
    command.add_option("--batch", train.batch_size, "images a step");
    command.add_option("--weight-decay", train.weight_decay, "pulls weights towards 0");
    command.add_option("--label-smoothing", train.label_smoothing, "0 to 1");
    command.add_option("--patience", train.patience, "stop after this many epochs without a better validation; 0: never");
    command.add_option("--start-size", train.start_size, "begin with smaller images, relative to the full size");
    command.add_option("--validation-fraction", validation_fraction, "of each class, when DATA has no validation part")
        ->check(in_range(0.01, 0.9));
    command.add_option("--seed", train.seed, "of the initial weights, the order of images and their variation");
    command.add_option("--threads", train.threads, "0: one per processor")->check(in_range(0, 1024));
    command.add_flag("--resume", train.resume, "continue an interrupted run in the output folder, with its options");
    command.add_flag("--json", json, "print JSON");
  }

  fs::path in_output(const char* name) const { return fs::path(output) / name; }
  fs::path checkpoint() const { return in_output("checkpoint.bin"); }
};

/// Not part of what a run is: --resume keeps them as the command line says.
bool is_run_option(const CLI::Option* option) {
  std::string name = option->get_name();
  return name.starts_with("--") && name != "--resume" && name != "--json" && name != "--output" && name != "--help";
}

Json given_options(const CLI::App& app) {
  Json json = Json::object();
  for (const CLI::Option* option : app.get_options())
    if (is_run_option(option) && option->count() > 0) json[option->get_name()] = option->results();
  return json;
}

/// Gives every option that was not on the command line the value that it had when the run began.
void restore_options(CLI::App& app, const Json& record) {
  if (!record.contains("arguments")) return;
  for (CLI::Option* option : app.get_options()) {
    std::string name = option->get_name();
    if (!is_run_option(option) || option->count() > 0 || !record["arguments"].contains(name)) continue;
    option->add_result(record["arguments"][name].get<std::vector<std::string>>());
    option->run_callback();
  }
}

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
  if (fs::exists(options.in_output("train.json"), ignored))
    restore_options(*options.app, read_json_file(options.in_output("train.json")));
}

Preprocess standard_preprocess(const ImageSize& size) {
  Preprocess preprocess;  // mean and deviation of the photos of ImageNet, as the field uses them
  preprocess.height = size.height;
  preprocess.width = size.width;
  preprocess.mean = {123.675f, 116.28f, 103.53f};
  preprocess.std = {58.395f, 57.12f, 57.375f};
  return preprocess;
}

void check_task(const TrainCommandOptions& options) {
  if (options.task.empty() || parse_task(options.task) == Task::classification) return;
  throw Error("--task", fmt::format("is {}, but hone train trains classifiers", options.task), "models for other tasks can be read from ONNX files");
}

/// A list of names may have classes that no image is of. Numbers keep their meaning: they are not renumbered.
void drop_unused_classes(Dataset& dataset) {
  std::vector<int64_t> counts = dataset.class_counts();
  if (!dataset.named || std::count(counts.begin(), counts.end(), 0) == 0) return;
  std::vector<std::string> kept, dropped;
  std::vector<int> renumbered(counts.size(), -1);
  for (size_t i = 0; i < counts.size(); ++i) {
    renumbered[i] = static_cast<int>(kept.size());
    (counts[i] > 0 ? kept : dropped).push_back(dataset.classes[i]);
  }
  for (Sample& sample : dataset.samples) sample.label = renumbered[static_cast<size_t>(sample.label)];
  dataset.classes = std::move(kept);
  warn(fmt::format("the data has no images of the classes {}; they are left out", name_list(dropped)));
}

/// Any data set of labelled images. Without a validation part some of the training images are held back: a test part is
/// for the end, not to choose the best epoch by.
Splits read_data_set(const TrainCommandOptions& options, Progress& progress) {
  Dataset dataset = read_classification(options.data, options.format, progress);
  std::vector<Skipped> skipped = check_images(dataset, {.progress = &progress});
  drop_unused_classes(dataset);
  auto is_validation = [](const Sample& sample) { return sample.part == Part::validation; };
  if (std::none_of(dataset.samples.begin(), dataset.samples.end(), is_validation))
    for (Sample& sample : dataset.samples)
      if (sample.part == Part::train) sample.part = Part::none;
  Splits data = make_splits(std::move(dataset), {options.validation_fraction, options.train.seed});
  if (data.train.classes.size() < 2)
    throw Error(quoted(fs::path(options.data)), fmt::format("only one class ('{}'), expected at least two", data.train.classes.at(0)));
  data.skipped = std::move(skipped);
  return data;
}

Splits read_class_folder(const TrainCommandOptions& options, Progress& progress) {
  ReadOptions read;
  read.validation_fraction = options.validation_fraction;
  read.seed = options.train.seed;
  read.progress = &progress;
  return read_image_folder(options.data, read);
}

Splits read_data(const TrainCommandOptions& options, Progress& progress) {
  check_task(options);
  bool folders = options.format == "folders";
  if (options.format.empty() && options.task.empty()) folders = is_class_folder(options.data, "hone train trains classifiers");
  Splits data = folders ? read_class_folder(options, progress) : read_data_set(options, progress);
  progress.end();
  fmt::print(stderr, "{}: {}\n{}", options.data, data.description, describe_skipped(data.skipped));
  if (!data.skipped.empty()) {
    write_file(options.in_output("skipped.txt"), list_skipped(data.skipped));
    fmt::print(stderr, "  (all of them in {})\n", options.in_output("skipped.txt").string());
  }
  return data;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

bool embedded(const Dataset& data) {
  return std::any_of(data.samples.begin(), data.samples.end(), [](const Sample& sample) { return sample.pixels.defined(); });
}

/// The images of a split as a file that hone eval and hone quantize take, as the split may be of our own making: NAME.csv, or
/// for images that are no files NAME.txt, a list for their --list.
void write_split(const TrainCommandOptions& options, const char* name, const Dataset& split) {
  fs::path csv = options.in_output((name + std::string(".csv")).c_str()), list = options.in_output((name + std::string(".txt")).c_str());
  bool as_list = embedded(split);
  std::error_code ignored;
  fs::remove(as_list ? csv : list, ignored);  // of an earlier run with other data
  if (as_list) return write_list(list, split, list_base(options.data));
  std::string text = "class,file\n";
  for (const Sample& sample : split.samples)
    text += csv_field(split.classes[static_cast<size_t>(sample.label)]) + ',' + csv_field(fs::absolute(sample.path).lexically_normal()) + '\n';
  write_file(csv, text);
}

/// What train.json says of a run from its start on.
Json describe_run(const TrainCommandOptions& options, const Splits& data) {
  Json json;
  json["status"] = "running";
  json["data"] = options.data;
  json["description"] = data.description;
  json["classes"] = data.train.classes;
  json["train_images"] = data.train.samples.size();
  json["validation_images"] = data.validation.samples.size();
  json["skipped_images"] = data.skipped.size();
  json["template"] = options.template_name;
  json["width"] = options.width;
  json["arguments"] = given_options(*options.app);
  std::istringstream lines(describe(options.train));
  for (std::string line; std::getline(lines, line);)
    if (size_t equals = line.find('='); equals != std::string::npos)
      json["options"][line.substr(0, equals)] = line.substr(equals + 1);
  return json;
}

void add_result(Json& json, const TrainResult& result) {
  static const char* const stopped[] = {"finished", "patience", "time"};
  json["status"] = "done";
  json["stopped"] = stopped[static_cast<int>(result.stopped)];
  json["best_epoch"] = result.best_epoch;
  json["best_accuracy"] = result.best_metric;
  json["seconds"] = result.seconds;
  json["images_per_second"] = result.images_per_second;
  json["history"] = Json::array();
  for (const EpochRecord& epoch : result.history)
    json["history"].push_back({{"epoch", epoch.epoch}, {"loss", epoch.loss}, {"accuracy", epoch.metric},
                               {"validation_loss", epoch.validation_loss}, {"validation_accuracy", epoch.validation_metric},
                               {"learning_rate", epoch.learning_rate}, {"seconds", epoch.seconds},
                               {"images_per_second", epoch.images_per_second}, {"height", epoch.height}, {"width", epoch.width}});
}

/// The network with what it needs to be used: preprocessing in front, class names and its origin in the metadata.
void write_model(Graph& model, const TrainCommandOptions& options, const Splits& data, const TrainResult& result) {
  attach_preprocess(model, options.train.preprocess);
  set_labels(model, data.train.classes);
  model.metadata["hone.training"] = fmt::format("template={};width={};epochs={};best_epoch={};validation_accuracy={:.4f};{}",
                                                options.template_name, options.width, result.history.size(), result.best_epoch,
                                                result.best_metric, data.description);
  export_model(model, options.in_output("model.onnx"));
}

void print_result(const TrainCommandOptions& options, const Splits& data, const TrainResult& result) {
  std::string model = options.in_output("model.onnx").string();
  fmt::print("{}  validation accuracy {} (epoch {} of {}), {} of training\n", model, format_percent(result.best_metric),
             result.best_epoch, result.history.size(), format_duration(result.seconds));
  auto images = [&](const char* name) {
    std::string file = options.in_output(name).string();
    if (!embedded(data.train)) return file + ".csv";
    return fmt::format("{} --list {}.txt{}", options.data, file, options.format.empty() ? "" : " --format " + options.format);
  };
  fmt::print("next: hone eval {} {}\n", model, images("validation"));
  fmt::print("      hone quantize {} --data {} -o {}\n", model, images("train"), options.in_output("model.int8.onnx").string());
  fmt::print("      hone run {} IMAGE\n", model);
}

int train(TrainCommandOptions& options) {
  prepare_output(options);
  ImageSize size = parse_size("--size", options.size);
  options.train.preprocess = standard_preprocess(size);
  validate(options.train);
  auto progress = make_progress();
  Splits data = read_data(options, *progress);

  TemplateOptions shape;
  shape.classes = static_cast<int>(data.train.classes.size());
  shape.width = options.width;
  shape.height = size.height;
  shape.width_px = size.width;
  shape.seed = options.train.seed;
  Graph model = build_template(options.template_name, shape);

  Json record = describe_run(options, data);
  write_json_file(options.in_output("train.json"), record);
  write_split(options, "train", data.train);
  write_split(options, "validation", data.validation);
  TrainResult result = train_classifier(model, data, options.train, *progress);
  write_model(model, options, data, result);
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
