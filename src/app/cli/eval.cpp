#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/classifier.hpp"
#include "app/support/evaluate.hpp"
#include "app/support/evaluate_detection.hpp"
#include "app/support/labelled_data.hpp"
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
  double score = 0.001;
  int batch = 1;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required();
    app.add_option("DATA", data, "labelled data set of any format (see hone data check --help), or a CSV file with file and label")->required();
    app.add_option("--batch", batch, "images an inference, for classifiers")->check(in_range(1, 4096));
    std::string names;
    for (const Decoder& one : decoders()) names += (names.empty() ? "" : ", ") + std::string(one.name);
    app.add_option("--decoder", decoder, "how a detector's raw head is read: " + names + "; default: known by its outputs");
    images.add(app);
    app.add_option("--score", score, "detections below this score are not looked at")->check(CLI::Range(0.0, 1.0));
    app.add_option("--map", map, "VALUE=CLASS: a mask's value is that class of the model; all other values become class 0")->default_str("");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }
};

template <class Evaluation, class Context>
int print(const EvalOptions& options, const Evaluation& evaluation, const Context& context) {
  if (options.json) {
    Json json = {{"model", options.model}, {"data", options.data}};
    json.update(to_json(evaluation, context));
    print_json(json);
  } else {
    fmt::print("{}", to_text(evaluation, context));
  }
  return 0;
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
  DetectionEvaluation evaluation = evaluate_detection(model, decoder, data, options.device.options(), options.score, *progress);
  return print(options, evaluation, data);
}

int parse_class(const std::string& text, const std::string& whole) {
  int value = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || *end != 0 || value < 0 || value > 254) throw UsageError(fmt::format("--map: '{}' is not VALUE=CLASS with numbers 0 to 254", whole));
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
      if (target >= model_classes) throw UsageError(fmt::format("--map: the model has classes 0 to {}", model_classes - 1));
      data.masks.class_of[static_cast<size_t>(parse_class(pair.substr(0, equals), pair))] = static_cast<uint8_t>(target);
    }
    data.classes = names;
    for (int i = static_cast<int>(names.size()); i < model_classes; ++i) data.classes.push_back(fmt::format("class {}", i));
  } else if (!names.empty()) {
    map_classes(data, names);
  } else if (static_cast<int>(data.classes.size()) > model_classes) {
    throw Error("data", fmt::format("has {} classes, the model {}", data.classes.size(), model_classes), "say which is which with --map VALUE=CLASS or --labels");
  }
}

int eval_segmenter(const EvalOptions& options, const Graph& model) {
  auto progress = make_progress();
  InputRule rule = segmenter_input(model, options.image);
  Dataset data = read_for(options, Task::segmentation, *progress);
  map_masks(options, segmenter_classes(model), options.image.class_names(model), data);
  SegmentationEvaluation evaluation = evaluate_segmentation(model, rule, data, options.device.options(), *progress);
  return print(options, evaluation, data);
}

int eval_classifier(const EvalOptions& options) {
  LoadedModel model = load_image_model(options.model, options.image);
  Classifier classifier(model.graph, model.labels, {options.device.options(), options.batch});
  auto progress = make_progress();
  Dataset data = read_labelled_images(options.data, classifier.labels(), options.images, *progress);
  return print(options, evaluate(classifier, data, *progress), classifier);
}

int eval(const EvalOptions& options) {
  Graph model = import_model(options.model);
  if (const Decoder* decoder = find_decoder(options.decoder, model)) return eval_detector(options, model, *decoder);
  if (segmenter_classes(model) > 0) return eval_segmenter(options, model);
  return eval_classifier(options);
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  options->add(app);
  return [options] { return eval(*options); };
}

}  // namespace hone::app
