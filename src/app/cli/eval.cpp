#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/evaluation/multi_label.hpp"
#include "app/evaluation/worst_cases.hpp"
#include "app/support/classifier.hpp"
#include "app/evaluation/evaluate.hpp"
#include "app/evaluation/evaluate_detection.hpp"
#include "app/support/labelled_data.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/predictor.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "data/read.hpp"
#include "import/import.hpp"

namespace hone::app {

namespace {

struct EvalOptions {
  std::string model, data;
  ImageFlags image;
  DeviceFlags device;
  std::string decoder;
  DataFlags images;
  std::vector<std::string> map;
  std::optional<double> score;
  std::string task, worst;
  double worst_score = 0.3;
  int batch = 1, top = 0, worst_count = 24;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required()->transform(model_or_its_folder());
    app.add_option("DATA", data,
                   "labelled data set of any format (see hone data check --help), or a CSV file with file and label")
        ->required();
    app.add_option("--batch", batch, "images an inference, for classifiers")->check(in_range(1, 4096));
    std::string names;
    for (const Decoder& one : decoders()) names += (names.empty() ? "" : ", ") + std::string(one.name);
    app.add_option("--decoder", decoder,
                   "how a detector's raw head is read: " + names + "; default: known by its outputs");
    images.add(app);
    app.add_option(
        "--task", task,
        "multi-label: each class has a probability of its own; classification; default: what the model's file says");
    app.add_option("--top", top, "top-K accuracy of classifiers too")->check(in_range(1, 100000))->default_str("");
    app.add_option("--score", score,
                   "detections below this score are not looked at (0.001); classes below it are no answer of "
                   "multi-label models (0.5)")
        ->check(in_range(0.0, 1.0))
        ->default_str("");
    app.add_option("--worst", worst, "write the worst predictions as pictures, with index.html, into this folder");
    app.add_option("--worst-count", worst_count, "how many of them")->check(in_range(1, 10000));
    app.add_option("--worst-score", worst_score, "boxes below this score are not drawn and not counted there")
        ->check(in_range(0.0, 1.0));
    app.add_option("--map", map,
                   "VALUE=CLASS: a mask's value is that class of the model; all other values become class 0")
        ->default_str("");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }
};

/// `written`: what --worst wrote.
int print(const EvalOptions& options, const Json& figures, const std::string& text, const Json& written) {
  if (options.json) {
    Json json = {{"model", options.model}, {"data", options.data}};
    json.update(figures);
    if (!options.worst.empty()) json["worst"] = written;
    print_json(json);
  } else {
    fmt::print("{}", text);
    if (!options.worst.empty())
      fmt::print("\nwrote {} pictures and {}\n", written.size(),
                 (std::filesystem::path(options.worst) / "index.html").string());
  }
  return 0;
}

/// Nothing without --worst.
Json write_worst(const EvalOptions& options, const WorstCases& worst, const std::string& measure) {
  if (options.worst.empty()) return {};
  std::string model = std::filesystem::path(options.model).filename().string();
  return write_worst(worst, options.worst, fmt::format("Worst predictions of {}", model), measure);
}

size_t wanted(const EvalOptions& options) {
  return options.worst.empty() ? 0 : static_cast<size_t>(options.worst_count);
}

Dataset read_for(const EvalOptions& options, Task task, Progress& progress) {
  DatasetOptions read;
  read.format = options.images.format;
  read.task = task;
  read.progress = &progress;
  Dataset data = read_dataset(options.data, read);
  choose_samples(data, options.data, options.images);
  print_problems(data);
  return data;
}

int eval_detector(const EvalOptions& options, const Graph& model, const Decoder& decoder) {
  auto progress = make_progress();
  Dataset data = read_for(options, Task::detection, *progress);
  map_detector_classes(data, options.image.class_names(model), decoder);
  WorstCases worst(wanted(options));
  OnDetections keep_worst;
  if (wanted(options) > 0)
    keep_worst = [&](const Sample& sample, const std::vector<Detection>& found) {
      add_worst(worst, sample, found, data.classes, options.worst_score);
    };
  DetectionEvaluation evaluation = evaluate_detection(model, decoder, data, options.device.options(),
                                                      options.score.value_or(0.001), *progress, keep_worst);
  return print(options, to_json(evaluation, data), to_text(evaluation, data),
               write_worst(options, worst, detection_measure));
}

int parse_class(const std::string& text, const std::string& whole) {
  int value = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || *end != 0 || value < 0 || value > 254)
    throw UsageError(fmt::format("--map: '{}' is not VALUE=CLASS with numbers 0 to 254", whole));
  return value;
}

/// The classes of the model for the values in the masks.
void map_masks(const EvalOptions& options, int model_classes, const std::vector<std::string>& names, Dataset& data) {
  if (!options.map.empty()) {
    for (int value = 0; value < 255; ++value) data.masks.class_of[static_cast<size_t>(value)] = 0;
    for (const std::string& pair : options.map) {
      size_t equals = pair.find('=');
      if (equals == std::string::npos) throw UsageError(fmt::format("--map: '{}' is not VALUE=CLASS", pair));
      int target = parse_class(pair.substr(equals + 1), pair);
      if (target >= model_classes)
        throw UsageError(fmt::format("--map: the model has classes 0 to {}", model_classes - 1));
      data.masks.class_of[static_cast<size_t>(parse_class(pair.substr(0, equals), pair))] =
          static_cast<uint8_t>(target);
    }
    data.classes = names;
    for (int i = static_cast<int>(names.size()); i < model_classes; ++i)
      data.classes.push_back(fmt::format("class {}", i));
  } else if (!names.empty()) {
    map_classes(data, names);
  } else if (static_cast<int>(data.classes.size()) > model_classes) {
    throw Error("data", fmt::format("has {} classes, the model {}", data.classes.size(), model_classes),
                "say which is which with --map VALUE=CLASS or --labels");
  }
}

int eval_segmenter(const EvalOptions& options, const Graph& model) {
  auto progress = make_progress();
  InputRule rule = segmenter_input(model, options.image);
  Dataset data = read_for(options, Task::segmentation, *progress);
  map_masks(options, segmenter_classes(model), options.image.class_names(model), data);
  WorstCases worst(wanted(options));
  OnClasses keep_worst;
  if (wanted(options) > 0)
    keep_worst = [&](const Sample& sample, const Tensor& truth, const Tensor& predicted) {
      add_worst(worst, sample, truth, predicted, data.classes);
    };
  SegmentationEvaluation evaluation =
      evaluate_segmentation(model, rule, data, options.device.options(), *progress, keep_worst);
  return print(options, to_json(evaluation, data), to_text(evaluation, data),
               write_worst(options, worst, segmentation_measure));
}

int eval_multi_label(const EvalOptions& options) {
  LoadedModel model = load_image_model(options.model, options.image);
  Classifier classifier(model.graph, model.labels, {options.device.options(), options.batch, true});
  auto progress = make_progress();
  Dataset data = read_for(options, Task::multi_label, *progress);
  if (!classifier.labels().empty()) map_classes(data, classifier.labels());
  MultiLabelEvaluation evaluation = evaluate_multi_label(classifier, data, options.score.value_or(0.5), *progress);
  Json written = write_worst(options, worst_of(evaluation, data, classifier, wanted(options)), multi_label_measure);
  return print(options, to_json(evaluation, classifier), to_text(evaluation, classifier), written);
}

int eval_classifier(const EvalOptions& options) {
  LoadedModel model = load_image_model(options.model, options.image);
  Classifier classifier(model.graph, model.labels, {options.device.options(), options.batch});
  auto progress = make_progress();
  Dataset data = read_labelled_images(options.data, classifier.labels(), options.images, *progress);
  Evaluation evaluation = evaluate(classifier, data, *progress);
  Json written = write_worst(options, worst_of(evaluation, classifier, wanted(options)), classification_measure);
  return print(options, to_json(evaluation, classifier, options.top), to_text(evaluation, classifier, options.top),
               written);
}

/// Throws Error for a task that says nothing here: detectors and segmenters are known by their outputs.
std::optional<Task> asked_task(const EvalOptions& options) {
  if (options.task.empty()) return std::nullopt;
  Task task = parse_task(options.task);
  if (task != Task::classification && task != Task::multi_label)
    throw Error("--task", fmt::format("is {}, expected classification or multi-label", options.task),
                "other models are known by their outputs; see --decoder for detectors");
  return task;
}

int eval(const EvalOptions& options) {
  std::optional<Task> task = asked_task(options);
  Graph model = import_model(options.model);
  if (!task) {
    if (const Decoder* decoder = find_decoder(options.decoder, model)) return eval_detector(options, model, *decoder);
    if (segmenter_classes(model) > 0) return eval_segmenter(options, model);
    task = task_of(model);
  }
  return task == Task::multi_label ? eval_multi_label(options) : eval_classifier(options);
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  options->add(app);
  return [options] { return eval(*options); };
}

}  // namespace hone::app
