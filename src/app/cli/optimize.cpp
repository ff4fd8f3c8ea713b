#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/calibration.hpp"
#include "app/support/latency.hpp"
#include "app/quantize/quantize_report.hpp"
#include "app/quantize/quantize_validation.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "data/names.hpp"
#include "export/export.hpp"
#include "import/import.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

struct OptimizeOptions {
  std::string model, data, output, format;
  double max_drop = 0.01, seconds = 1;
  int subset = 300;
  ImageFlags image;
  DeviceFlags device;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "FP32 model file, such as the model.onnx of hone train")
        ->required()
        ->transform(model_or_its_folder());
    app.add_option("DATA", data,
                   "the data set it was trained on; default: what train.csv or train.json beside the model name");
    app.add_option("-o,--output", output, "the model to write (.onnx); default: MODEL.int8.onnx beside the model");
    app.add_option("--max-drop", max_drop, "how far top-1, mAP or mIoU may drop (0.01 is a point)")
        ->check(in_range(0.0, 1.0));
    app.add_option("--subset-size", subset, "images that ranges are taken from, at most")->check(in_range(1, 1000000));
    app.add_option("--format", format, "format of the data set; default: found from what lies in the folder");
    app.add_option("--seconds", seconds, "how long each latency is measured")->check(in_range(0.001, 600.0));
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }

  fs::path target() const {
    if (output.empty()) return fs::path(model).replace_extension(".int8.onnx");
    if (fs::path(output).extension() != ".onnx") throw UsageError(fmt::format("-o: '{}' must end in .onnx", output));
    return output;
  }
};

/// Images of one part of the training data.
struct Part {
  std::string data;
  DataFlags images;
};

/// The split `name` of the run that made the model: its CSV file, its list of images, else that part of DATA.
Part find_part(const OptimizeOptions& options, const char* name) {
  std::error_code ignored;
  fs::path folder = fs::path(options.model).parent_path(), csv = folder / (std::string(name) + ".csv"),
           list = folder / (std::string(name) + ".txt");
  if (options.data.empty() && fs::is_regular_file(csv, ignored)) return {csv.string(), {}};
  Part part{options.data, {}};
  part.images.format = options.format;
  if (fs::is_regular_file(list, ignored)) part.images.list = list.string();
  if (!part.data.empty()) return part;
  fs::path record = folder / "train.json";
  if (fs::is_regular_file(record, ignored)) {
    Json json = read_json_file(record);
    part.data = json.value("data", "");
    if (part.images.format.empty() && json.contains("arguments") && json["arguments"].contains("--format"))
      part.images.format = json["arguments"]["--format"].at(0).get<std::string>();
  }
  if (part.data.empty())
    throw UsageError(fmt::format(
        "nothing beside {} says what it was trained on (no {}.csv, no train.json): give the data set as DATA",
        options.model, name));
  return part;
}

class Optimize {
 public:
  explicit Optimize(const OptimizeOptions& options) : o_(options), target_(options.target()) {}

  int run() {
    Part training = find_part(o_, "train"), labelled = find_part(o_, "validation");
    make_writable_folder(target_.has_parent_path() ? target_.parent_path() : ".");
    model_ = import_model(o_.model);
    progress_ = make_progress();
    calibration_ = image_calibration(model_, training.data, training.images, o_.image, o_.subset);
    validation_ = make_validation(model_, labelled.data, labelled.images, o_.image, o_.device.options());
    Graph result = search();
    progress_->end();
    export_model(result, target_);
    outcome_.skipped = calibration_->skipped();
    Latency fp32 = measure_latency(o_.model, latency_options()), int8 = measure_latency(target_, latency_options());
    if (o_.json) print_result_json(fp32, int8);
    else fmt::print("{}\n{}", to_text(outcome_), table(fp32, int8));
    return 0;
  }

 private:
  Graph search() {
    AccuracyOptions control;
    control.max_drop = o_.max_drop;
    control.state_file = target_.string() + ".search";
    control.on_step = [this](const std::string& line) {
      if (!o_.json) fmt::print("{}\n", line), std::fflush(stdout);
    };
    control.sampling_error = [this] { return validation_->sampling_error(); };
    QuantizeOptions settings;
    settings.subset_size = o_.subset;
    AccuracyReport& report = outcome_.accuracy.emplace();
    MakeRunner make_runner = [this](const Graph& graph) -> RunModel {
      auto session = std::make_shared<Session>(load(graph, o_.device.options()));
      return [session](std::span<const Tensor> inputs) { return session->run(inputs); };
    };
    Graph result = quantize_with_accuracy_control(
        model_, [this](std::vector<Tensor>& inputs) { return calibration_->next(inputs); }, make_runner,
        [this](const Graph& graph) { return validation_->measure(graph, no_progress()); }, settings, control, &report,
        *progress_);
    outcome_.model = o_.model;
    outcome_.output = target_;
    outcome_.int8 = report.quantize;
    outcome_.metric = validation_->metric();
    outcome_.images = validation_->images();
    outcome_.before = report.fp32;
    outcome_.after = report.accuracy;
    return result;
  }

  LatencyOptions latency_options() const {
    LatencyOptions options;
    options.device = o_.device.options();
    options.seconds = o_.seconds;
    return options;
  }

  std::string table(const Latency& fp32, const Latency& int8) const {
    auto bytes = [](const fs::path& path) { return static_cast<double>(fs::file_size(path)); };
    double before = bytes(o_.model), after = bytes(target_);
    Table table({"", "before", "after", ""});
    table.add({outcome_.metric, format_percent(*outcome_.before), format_percent(*outcome_.after),
               fmt::format("{:+.2f} points", 100 * (*outcome_.after - *outcome_.before))});
    table.add({"latency", fmt::format("{:.2f} ms", fp32.median_ms), fmt::format("{:.2f} ms", int8.median_ms),
               fmt::format("{:.2f}x", fp32.median_ms / int8.median_ms)});
    table.add({"throughput", fmt::format("{:.1f}/s", fp32.throughput), fmt::format("{:.1f}/s", int8.throughput), ""});
    table.add({"size", format_bytes(before), format_bytes(after), fmt::format("{:.2f}x", before / after)});
    return table.text();
  }

  void print_result_json(const Latency& fp32, const Latency& int8) const {
    Json json = to_json(outcome_);
    json["latency_before_ms"] = fp32.median_ms;
    json["latency_after_ms"] = int8.median_ms;
    json["speedup"] = fp32.median_ms / int8.median_ms;
    print_json(json);
  }

  const OptimizeOptions& o_;
  fs::path target_;
  Graph model_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Calibration> calibration_;
  std::unique_ptr<Validation> validation_;
  QuantizeOutcome outcome_;
};

}  // namespace

Action add_optimize(CLI::App& app) {
  auto options = std::make_shared<OptimizeOptions>();
  options->add(app);
  return [options] { return Optimize(*options).run(); };
}

}  // namespace hone::app
