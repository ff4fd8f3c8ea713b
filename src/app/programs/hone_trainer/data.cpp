#include "app/programs/hone_trainer/data.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "app/support/labelled_data.hpp"
#include "app/support/skipped.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "data/names.hpp"
#include "data/read.hpp"
#include "data/split.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

constexpr std::array trained_tasks = {Task::classification, Task::multi_label, Task::detection, Task::segmentation};

bool is_trained(Task task) {
  return std::find(trained_tasks.begin(), trained_tasks.end(), task) != trained_tasks.end();
}

std::string trained_names() {
  std::vector<std::string> names;
  for (Task task : trained_tasks) names.emplace_back(name_of(task));
  return name_list(names);
}

/// The task asked for, else the first that the most certain annotation is for and that can be trained.
Task find_task(const TrainCommandOptions& options) {
  if (!options.task.empty()) {
    Task task = parse_task(options.task);
    if (!is_trained(task))
      throw Error("--task", fmt::format("is {}, hone train has {}", options.task, trained_names()),
                  "models for other tasks can be read from ONNX files");
    return task;
  }
  if (options.hierarchical) return Task::classification;
  std::vector<FoundAnnotation> found = find_annotations(options.data);
  for (const FoundAnnotation& annotation : found) {
    if (!options.format.empty() && annotation.format != options.format) continue;
    for (Task task : annotation.tasks)
      if (is_trained(task)) return task;
    throw Error(quoted(fs::path(options.data)),
                fmt::format("is a data set for {} ({}: {}), hone train has {}", name_of(annotation.tasks[0]),
                            annotation.format, annotation.why, trained_names()),
                "choose another annotation with --task or --format");
  }
  return Task::classification;
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

/// Of each kind of problem the first places, a line each.
std::string list_problems(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems.list()) {
    for (const std::string& place : problem.places) text += fmt::format("{}: {}\n", place, problem.what);
    auto listed = static_cast<int64_t>(problem.places.size());
    if (problem.count > listed) text += fmt::format("... {} more: {}\n", problem.count - listed, problem.what);
  }
  return text;
}

/// `problems` gets what the reader went on after.
Dataset read_any(const TrainCommandOptions& options, Task task, std::string& problems, Progress& progress) {
  if (task == Task::classification && !options.hierarchical) {
    Dataset images = read_classification(options.data, options.format, progress);
    problems = list_problems(images.problems);
    return images;
  }
  DatasetOptions read;
  read.format = options.hierarchical ? "folders" : options.format;
  read.task = task;
  read.progress = &progress;
  Dataset dataset = read_dataset(options.data, read);
  print_problems(dataset);
  problems = list_problems(dataset.problems);
  if (options.hierarchical) label_by_folders(dataset, options.data);
  return dataset;
}

/// Without a validation part some of the training images are held back: a test part is for the end, not to choose the
/// best epoch by.
Splits read_data_set(const TrainCommandOptions& options, Task task, std::string& problems, Progress& progress) {
  Dataset dataset = read_any(options, task, problems, progress);
  std::vector<Skipped> skipped = check_images(dataset, {.progress = &progress});
  if (task == Task::classification) drop_unused_classes(dataset);
  auto is_validation = [](const Sample& sample) { return sample.part == Part::validation; };
  if (std::none_of(dataset.samples.begin(), dataset.samples.end(), is_validation))
    for (Sample& sample : dataset.samples)
      if (sample.part == Part::train) sample.part = Part::none;
  Splits data = make_splits(std::move(dataset), {options.validation_fraction, options.train.seed});
  size_t least = task == Task::detection ? 1 : 2;
  if (data.train.classes.size() < least)
    throw Error(quoted(fs::path(options.data)),
                data.train.classes.empty()
                    ? "has no classes"
                    : fmt::format("only one class ('{}'), expected at least two", data.train.classes[0]));
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

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

}  // namespace

Splits read_training_data(const TrainCommandOptions& options, Progress& progress) {
  Task task = find_task(options);
  bool folders = options.format == "folders";
  if (task == Task::classification && options.format.empty() && options.task.empty())
    folders = is_class_folder(options.data, "a classifier was asked for");
  folders = folders && task == Task::classification && !options.hierarchical;
  std::string problems;
  Splits data = folders ? read_class_folder(options, progress) : read_data_set(options, task, problems, progress);
  for (Dataset* part : {&data.train, &data.validation, &data.test}) part->task = task;
  progress.end();
  fmt::print(stderr, "{}: {}, {}\n{}", options.data, name_of(task), data.description, describe_skipped(data.skipped));
  std::string left_out = list_skipped(data.skipped) + problems;
  std::error_code ignored;
  fs::remove(options.in_output("skipped.txt"), ignored);
  if (!left_out.empty()) {
    write_file(options.in_output("skipped.txt"), left_out);
    fmt::print(stderr, "  (what was left out is listed in {})\n", options.in_output("skipped.txt").string());
  }
  return data;
}

void add_older_classes(Splits& data, const std::vector<std::string>& labels) {
  std::vector<std::string> added;
  for (const std::string& label : labels)
    if (std::find(data.train.classes.begin(), data.train.classes.end(), label) == data.train.classes.end())
      added.push_back(label);
  for (Dataset* part : {&data.train, &data.validation, &data.test})
    part->classes.insert(part->classes.end(), added.begin(), added.end());
}

bool is_written_as_list(const Dataset& split) {
  return split.task != Task::classification ||
         std::any_of(split.samples.begin(), split.samples.end(),
                     [](const Sample& sample) { return sample.pixels.defined(); });
}

void write_split(const TrainCommandOptions& options, const std::string& name, const Dataset& split) {
  fs::path csv = options.in_output(name + ".csv"), list = options.in_output(name + ".txt");
  bool as_list = is_written_as_list(split);
  std::error_code ignored;
  fs::remove(as_list ? csv : list, ignored);  // of an earlier run with other data
  if (as_list) return write_list(list, split, list_base(options.data));
  std::string text = "class,file\n";
  for (const Sample& sample : split.samples)
    text += csv_field(split.classes[static_cast<size_t>(sample.label)]) + ',' +
            csv_field(fs::absolute(sample.path).lexically_normal()) + '\n';
  write_file(csv, text);
}

}  // namespace hone::app
