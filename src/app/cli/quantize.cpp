#include <filesystem>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/calibration.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/options.hpp"
#include "app/quantize/quantize_config.hpp"
#include "app/quantize/quantize_report.hpp"
#include "app/quantize/quantize_sweep.hpp"
#include "app/quantize/quantize_validation.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "export/export.hpp"
#include "import/import.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

struct QuantizeCommandOptions {
  std::string model, data, labelled, output, config, state, plot;
  std::string preset, range, bias_correction, model_type, target, saturation, drop_type, weights;
  std::vector<std::string> ignore, ignore_regex, ignore_types;
  std::optional<int> subset, max_iterations, ranking_subset, group_size, rounding_iterations;
  std::optional<double> percentile, smooth, max_drop, ratio, sensitive_share;
  bool random_data = false, no_bias_correction = false, full_bias_correction = false, equalize = false,
       adaround = false;
  bool no_align = false, no_error_feedback = false, strict_drop = false, no_batch_norm = false, reduce_range = false,
       data_aware = false, asymmetric_weights = false, sweep = false, json = false;
  DataFlags images;
  ImageFlags image;
  DeviceFlags device;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "FP32 model file")->required()->transform(model_or_its_folder());
    app.add_option("--data", data,
                   "sample images: a folder, a CSV file or a data set of any format, of which the training part is "
                   "used; with labels, accuracy is measured as well");
    app.add_option("--eval", labelled, "labelled images that measure accuracy, if others than --data");
    app.add_option("--format", images.format, "format of the data set; default: found from what lies in the folder");
    app.add_option("--list", images.list,
                   "file that names the images of --data to use, such as the train.txt of hone train");
    app.add_flag("--random-data", random_data, "random tensors in place of images: for speed tests, not for accuracy");
    app.add_option("-o,--output", output, "the model to write (.onnx)")->required();
    app.add_option("--config", config, "JSON file with these options; POT's and NNCF's field names are understood");
    app.add_flag("--json", json, "print JSON");
    add_int8(app);
    add_search(app);
    add_weights(app);
    image.add(app);
    device.add(app);
  }

  void add_int8(CLI::App& app) {
    const char* group = "INT8";
    auto text = [&](const char* name, auto& value, const char* help) {
      app.add_option(name, value, help)->group(group);
    };
    auto list = [&](const char* name, auto& value, const char* help) {
      app.add_option(name, value, help)->default_str("")->group(group);
    };
    auto flag = [&](const char* name, bool& value, const char* help) { app.add_flag(name, value, help)->group(group); };
    app.add_option("--subset-size,--subset", subset, "samples to use at most (300)")
        ->check(in_range(1, 1000000))
        ->group(group);
    text("--preset", preset,
         "mixed (default): activations with a zero point where they can be negative; performance: without");
    text("--range", range,
         "how activation ranges are chosen: mse, min_max, mean_min_max, percentile or entropy; auto (default): the "
         "best of the first three on held-out samples");
    app.add_option("--percentile", percentile, "for --range percentile (99.99)")
        ->check(in_range(50.0, 100.0))
        ->group(group);
    list("--ignore", ignore, "node that stays FP32 (* matches any text); repeatable");
    list("--ignore-regex", ignore_regex, "the same as a regular expression; repeatable");
    list("--ignore-types,--ignore-op", ignore_types, "op type that stays FP32; repeatable");
    text("--model-type", model_type, "transformer: mixed preset and SmoothQuant");
    text("--target-device", target, "where the model will run: auto (this processor), cpu-avx2, cpu-avx512, cpu-vnni");
    text("--saturation-fix,--overflow-fix", saturation,
         "7-bit weights: auto (default: if the target has no VNNI), all or enable, first_layer, no or disable");
    flag("--reduce-range", reduce_range, "the same as --saturation-fix all");
    text("--bias-correction", bias_correction,
         "none, fast, or full: layer by layer in the quantized model, slower; auto (default): none or fast, the better "
         "on held-out samples");
    flag("--no-bias-correction", no_bias_correction, "the same as --bias-correction none");
    flag("--full-bias-correction", full_bias_correction, "the same as --bias-correction full");
    flag("--equalize", equalize, "align the ranges of channels across layers first");
    app.add_option("--smooth", smooth, "SmoothQuant with this alpha; 0: off")->check(in_range(0.0, 1.0))->group(group);
    flag("--adaround", adaround, "learn how to round each weight; slow");
    app.add_option("--rounding-iterations", rounding_iterations, "for --adaround (1000)")
        ->check(in_range(1, 100000))
        ->group(group);
    app.add_option("--sensitive-share", sensitive_share,
                   "share of the multiplications that may stay FP32 where they make most of the error (0.08); 0: none")
        ->check(in_range(0.0, 1.0))
        ->group(group);
    flag("--no-error-feedback", no_error_feedback, "round each weight to the nearest number, whatever the others do");
    flag("--no-align", no_align, "leave the channels in front of depthwise convolutions as they are");
    flag("--no-batch-norm", no_batch_norm, "leave the statistics of batch norms that could not be folded as they are");
  }

  void add_search(CLI::App& app) {
    const char* group = "Keeping accuracy (labelled data)";
    app.add_option("--max-drop", max_drop,
                   "turn layers back to FP32 until top-1, mAP or mIoU drops by no more than this (0.01 is a point)")
        ->check(in_range(0.0, 1.0))
        ->group(group);
    app.add_flag("--strict-drop", strict_drop, "count a drop that so few images cannot tell from chance as well")
        ->group(group);
    app.add_option("--drop-type", drop_type, "absolute (default) or relative")->group(group);
    app.add_option("--max-iterations", max_iterations, "layers to turn back at most; 0: all")
        ->check(in_range(0, 1000000))
        ->group(group);
    app.add_option("--ranking-subset", ranking_subset, "samples that rank the layers (16)")
        ->check(in_range(1, 64))
        ->group(group);
    app.add_option("--state", state, "file that keeps the search, to go on after Ctrl-C; default: OUTPUT.search")
        ->group(group);
    app.add_flag("--sweep", sweep,
                 "try presets and range estimators, print accuracy and latency, write the most accurate")
        ->group(group);
    app.add_option("--plot", plot, "picture of the sweep (.svg or .html); default: OUTPUT.sweep.html")->group(group);
  }

  void add_weights(CLI::App& app) {
    const char* group = "Weights only";
    app.add_option("--weights", weights, "compress weights alone: int8, int4, fp16 or bf16")->group(group);
    app.add_option("--group-size", group_size, "weights that share a scale; -1: a whole channel (int4: 128)")
        ->check(in_range(-1, 1 << 20))
        ->group(group);
    app.add_option("--ratio", ratio, "share of weights in 4 bits, the others in 8 (1)")
        ->check(in_range(0.0, 1.0))
        ->group(group);
    app.add_flag("--asymmetric-weights", asymmetric_weights, "a zero point for each group")->group(group);
    app.add_flag("--data-aware", data_aware, "count errors by the size of inputs; needs --data")->group(group);
  }

  /// Flags go over what a file says.
  QuantizeSettings settings() const {
    QuantizeSettings s;
    if (!config.empty()) read_quantize_config(config, s);
    auto word = [&](const char* flag, const std::string& value, auto set) {
      if (value.empty()) return;
      try {
        set(flag, value, s);
      } catch (const Error& error) {
        throw UsageError(error.what());
      }
    };
    auto number = [](const auto& from, auto& to) { if (from) to = *from; };
    word("--preset", preset, set_preset);
    word("--range", range, set_range);
    word("--bias-correction", bias_correction, set_bias_correction);
    word("--model-type", model_type, set_model_type);
    word("--target-device", target, set_target_device);
    word("--saturation-fix", saturation, set_saturation_fix);
    word("--drop-type", drop_type, set_drop_type);
    word("--weights", weights, set_weights);
    QuantizeOptions& q = s.quantize;
    if (subset) s.set_subset_size(*subset);
    number(percentile, q.percentile);
    number(smooth, q.smooth_alpha);
    number(sensitive_share, q.sensitive_share);
    number(rounding_iterations, q.rounding_iterations);
    number(max_iterations, s.accuracy.max_iterations);
    number(ranking_subset, s.accuracy.ranking_subset);
    if (reduce_range) q.saturation_fix = SaturationFix::all;
    if (no_bias_correction) q.bias_correction = BiasCorrection::none;
    if (full_bias_correction) q.bias_correction = BiasCorrection::full;
    q.equalize |= equalize;
    q.adaptive_rounding |= adaround;
    if (no_error_feedback) q.error_feedback = false;
    if (no_align) q.align_channels = false;
    if (no_batch_norm) q.batch_norm_statistics = false;
    q.ignored_nodes.insert(q.ignored_nodes.end(), ignore.begin(), ignore.end());
    q.ignored_patterns.insert(q.ignored_patterns.end(), ignore_regex.begin(), ignore_regex.end());
    q.ignored_op_types.insert(q.ignored_op_types.end(), ignore_types.begin(), ignore_types.end());
    if (max_drop) s.accuracy.max_drop = *max_drop, s.keep_accuracy = true;
    complete_weights(s);
    return s;
  }

  /// What only the file says of data and files.
  void complete(const QuantizeSettings& s) {
    const std::map<std::string, std::string*> words{
        {"data", &data},       {"eval", &labelled},     {"format", &images.format}, {"list", &images.list},
        {"state", &state},     {"plot", &plot},         {"mean", &image.mean},      {"std", &image.std},
        {"scale", &image.scale}, {"channels", &image.channels}, {"resize", &image.resize}, {"labels", &image.labels}};
    for (auto& [name, word] : s.words)
      if (words.at(name)->empty()) *words.at(name) = word;
    strict_drop |= s.strict_drop;
    sweep |= s.sweep;
    random_data |= s.random_data && data.empty();
  }

  void complete_weights(QuantizeSettings& s) const {
    bool given = group_size || ratio || data_aware || asymmetric_weights;
    if (!s.weights) {
      if (given)
        throw UsageError("--group-size, --ratio, --asymmetric-weights and --data-aware go with --weights int8 or int4");
      return;
    }
    CompressOptions& w = *s.weights;
    if (group_size) w.group_size = *group_size;
    if (ratio) w.ratio = *ratio;
    if (asymmetric_weights) w.symmetric = false;
    w.data_aware |= data_aware;
    if (s.subset_size) w.subset_size = *s.subset_size;
    w.ignored_nodes = s.quantize.ignored_nodes;
    w.ignored_patterns = s.quantize.ignored_patterns;
    w.ignored_op_types = s.quantize.ignored_op_types;
    w.ignored_must_match = s.quantize.ignored_must_match;
  }

  /// Before any work: what would fail at the end.
  void check(const QuantizeSettings& s) const {
    if (!s.weights && data.empty() == !random_data)
      throw UsageError(
          "quantize needs sample images: give either --data DATA or --random-data; see hone quantize --help");
    if (s.weights && s.weights->data_aware && data.empty())
      throw UsageError("--data-aware needs sample images: give --data DATA");
    if (s.keep_accuracy && random_data) throw UsageError("keeping accuracy needs labelled images: give --data DATA");
    std::filesystem::path path = output;
    if (path.extension() != ".onnx") throw UsageError(fmt::format("-o: '{}' must end in .onnx", output));
    make_writable_folder(path.has_parent_path() ? path.parent_path() : ".");
  }
};

class QuantizeCommand {
 public:
  explicit QuantizeCommand(const QuantizeCommandOptions& options) : o_(options), s_(options.settings()) {
    o_.complete(s_);
    if (o_.random_data) s_.quantize.sensitive_share = 0;  // it does not show which layers matter
    outcome_.notes = s_.notes;
  }

  int run() {
    o_.check(s_);
    model_ = import_model(o_.model);
    progress_ = make_progress();
    if (!o_.data.empty() || o_.random_data)
      calibration_ = o_.random_data ? random_calibration(model_)
                                    : image_calibration(model_, o_.data, o_.images, o_.image, s_.quantize.subset_size);
    std::string assumed = o_.data.empty() ? "" : assumed_preprocessing(model_, o_.image);
    if (!assumed.empty()) outcome_.notes.push_back(assumed);
    // What the progress counts up to.
    if (calibration_) s_.quantize.subset_size = std::min(s_.quantize.subset_size, calibration_->available());
    open_validation();
    Graph result = s_.weights ? compress() : o_.sweep ? sweep() : s_.keep_accuracy ? search() : plain();
    progress_->end();
    export_model(result, o_.output);
    outcome_.model = o_.model;
    outcome_.output = o_.output;
    if (validation_) measure(result);
    if (calibration_) outcome_.skipped = calibration_->skipped();
    if (o_.json) print_json(to_json(outcome_));
    else fmt::print("{}", to_text(outcome_));
    return 0;
  }

 private:
  /// Labels are a need of a search, and a bonus otherwise.
  void open_validation() {
    std::string data = o_.labelled.empty() ? o_.data : o_.labelled;
    if (data.empty()) return;
    try {
      validation_ =
          make_validation(model_, data, o_.labelled.empty() ? o_.images : DataFlags{}, o_.image, o_.device.options());
      outcome_.images = validation_->images();
      outcome_.metric = validation_->metric();
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      if (s_.keep_accuracy || !o_.labelled.empty()) throw;
      outcome_.not_measured = error.problem();
    }
  }

  CalibrationSource source() {
    if (!calibration_) return {};
    return [this](std::vector<Tensor>& inputs) { return calibration_->next(inputs); };
  }
  MakeRunner make_runner() const {
    return [this](const Graph& graph) -> RunModel {
      auto session = std::make_shared<Session>(load(graph, o_.device.options()));
      return [session](std::span<const Tensor> inputs) { return session->run(inputs); };
    };
  }
  void say(const std::string& line) const {
    if (!o_.json) fmt::print("{}\n", line), std::fflush(stdout);
  }

  Graph plain() { return quantize(model_, source(), make_runner(), s_.quantize, &outcome_.int8.emplace(), *progress_); }

  Graph compress() {
    return compress_weights(model_, *s_.weights, source(), make_runner(), &outcome_.weights.emplace(), *progress_);
  }

  Graph search() {
    AccuracyOptions control = s_.accuracy;
    control.state_file = o_.state.empty() ? o_.output + ".search" : o_.state;
    control.on_step = [this](const std::string& line) { say(line); };
    AccuracyReport& report = outcome_.accuracy.emplace();
    auto validate = [this](const Graph& graph) { return validation_->measure(graph, no_progress()); };
    if (!o_.strict_drop) control.sampling_error = [this] { return validation_->sampling_error(); };
    Graph result = quantize_with_accuracy_control(model_, source(), make_runner(), validate, s_.quantize, control,
                                                  &report, *progress_);
    outcome_.int8 = report.quantize;
    outcome_.before = report.fp32;
    outcome_.after = report.accuracy;
    return result;
  }

  Graph sweep() {
    CalibrationSource samples = source();
    MakeRunner runner = make_runner();
    Quantizer quantizer(model_, samples, runner, s_.quantize, *progress_);
    std::function<double(const Graph&)> validate;
    if (validation_) validate = [this](const Graph& graph) { return validation_->measure(graph, no_progress()); };
    Sweep sweep = run_sweep(quantizer, s_.quantize, validate, outcome_.metric, *progress_);
    std::string plot = o_.plot.empty() ? o_.output + ".sweep.html" : o_.plot;
    write_sweep_plot(plot, sweep, std::filesystem::path(o_.model).filename().string() + " in INT8");
    say(sweep_table(sweep) + "plot  " + plot);
    outcome_.int8 = sweep.report;
    return std::move(sweep.best);
  }

  void measure(const Graph& result) {
    if (!outcome_.before) outcome_.before = validation_->measure(model_, *progress_);
    if (!outcome_.after) outcome_.after = validation_->measure(result, *progress_);
  }

  QuantizeCommandOptions o_;
  QuantizeSettings s_;
  Graph model_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Calibration> calibration_;
  std::unique_ptr<Validation> validation_;
  QuantizeOutcome outcome_;
};

}  // namespace

Action add_quantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeCommandOptions>();
  options->add(app);
  return [options] { return QuantizeCommand(*options).run(); };
}

}  // namespace hone::app
