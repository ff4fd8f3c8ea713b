#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/calibration.hpp"
#include "app/support/format.hpp"
#include "app/support/options.hpp"
#include "app/support/range.hpp"
#include "app/support/skipped.hpp"
#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "export/export.hpp"
#include "import/import.hpp"
#include "quantize/quantize.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

struct QuantizeCommandOptions {
  std::string model, data, output, range = "mse", scheme = "asymmetric";
  QuantizeOptions quantize;
  ImageFlags image;
  DeviceFlags device;
  bool random_data = false, no_bias_correction = false, reduce_range = false, json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "FP32 model file")->required();
    app.add_option("--data", data, "sample images: a folder (of training images) or a CSV file");
    app.add_flag("--random-data", random_data, "random tensors in place of images: for speed tests, not for accuracy");
    app.add_option("-o,--output", output, "the INT8 model to write (.onnx)")->required();
    app.add_option("--subset", quantize.subset_size, "samples to use at most")->check(in_range(1, 1000000));
    app.add_option("--range", range, "how activation ranges are chosen: mse, minmax or percentile");
    app.add_option("--percentile", quantize.percentile, "for --range percentile")->check(in_range(50.0, 100.0));
    app.add_option("--scheme", scheme, "activations: asymmetric or symmetric");
    app.add_option("--ignore", quantize.ignored_nodes, "node that stays FP32 (* matches any text); repeatable")->default_str("");
    app.add_option("--ignore-op", quantize.ignored_op_types, "op type that stays FP32; repeatable")->default_str("");
    app.add_flag("--no-bias-correction", no_bias_correction, "leave biases as they are");
    app.add_flag("--reduce-range", reduce_range, "weights in 7 bits, for processors without VNNI");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }

  QuantizeOptions settings() const {
    QuantizeOptions result = quantize;
    result.bias_correction = !no_bias_correction;
    if (reduce_range) result.saturation_fix = SaturationFix::all;
    if (range == "mse") result.range = RangeMethod::mse;
    else if (range == "minmax") result.range = RangeMethod::min_max;
    else if (range == "percentile") result.range = RangeMethod::percentile;
    else throw UsageError(fmt::format("--range: got '{}', expected mse, minmax or percentile", range));
    if (scheme == "symmetric") result.activations = ActivationScheme::symmetric;
    else if (scheme != "asymmetric") throw UsageError(fmt::format("--scheme: got '{}', expected asymmetric or symmetric", scheme));
    return result;
  }

  /// Before any work: what would fail at the end.
  void check() const {
    if (data.empty() == !random_data)
      throw UsageError("quantize needs sample images: give either --data DATA or --random-data; see hone quantize --help");
    std::filesystem::path path = output;
    if (path.extension() != ".onnx") throw UsageError(fmt::format("-o: '{}' must end in .onnx", output));
    make_writable_folder(path.has_parent_path() ? path.parent_path() : ".");
  }
};

size_t quantized_count(const QuantizeReport& report) {
  size_t count = 0;
  for (const NodeReport& node : report.nodes) count += node.quantized;
  return count;
}

Json to_json(const QuantizeCommandOptions& options, const QuantizeReport& report, const std::vector<Skipped>& skipped) {
  Json json;
  json["model"] = options.model;
  json["output"] = options.output;
  json["samples"] = report.samples;
  json["seconds"] = report.seconds;
  json["model_bytes"] = std::filesystem::file_size(options.model);
  json["output_bytes"] = std::filesystem::file_size(options.output);
  json["quantized_nodes"] = quantized_count(report);
  json["biases_corrected"] = report.biases_corrected;
  json["fp32"] = Json::array();
  for (const NodeReport& node : report.nodes)
    if (!node.quantized) json["fp32"].push_back({{"name", node.name}, {"op", node.op}, {"reason", node.reason}});
  json["values"] = Json::array();
  for (const ValueReport& value : report.values)
    json["values"].push_back({{"name", value.name}, {"min", value.min}, {"max", value.max}, {"low", value.range.low},
                              {"high", value.range.high}, {"type", name_of(value.quant.dtype)}, {"scale", value.quant.scale},
                              {"zero_point", value.quant.zero_point}});
  json["skipped"] = Json::array();
  for (const Skipped& file : skipped) json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

void print_report(const QuantizeCommandOptions& options, const QuantizeReport& report, const std::vector<Skipped>& skipped) {
  auto before = static_cast<double>(std::filesystem::file_size(options.model));
  auto after = static_cast<double>(std::filesystem::file_size(options.output));
  fmt::print("{}  {} of {} nodes in INT8, {} samples, {}\n", options.output, quantized_count(report), report.nodes.size(),
             report.samples, format_duration(report.seconds));
  fmt::print("size  {} -> {} ({:.1f}x smaller)\n", format_bytes(before), format_bytes(after), before / after);
  size_t kept = 0;
  for (const NodeReport& node : report.nodes) {
    if (node.quantized || ++kept > 20) continue;
    if (kept == 1) fmt::print("stays FP32:\n");
    fmt::print("  {} '{}': {}\n", node.op, node.name, node.reason);
  }
  if (kept > 20) fmt::print("  and {} more (--json lists all)\n", kept - 20);
  fmt::print("{}", describe_skipped(skipped));
}

int quantize_command(const QuantizeCommandOptions& options) {
  QuantizeOptions settings = options.settings();
  options.check();
  Graph model = import_model(options.model);
  std::unique_ptr<Calibration> calibration =
      options.random_data ? random_calibration(model) : image_calibration(model, options.data, options.image, settings.subset_size);
  auto make_runner = [&](const Graph& graph) -> RunModel {
    auto session = std::make_shared<Session>(load(graph, options.device.options()));
    return [session](std::span<const Tensor> inputs) { return session->run(inputs); };
  };
  auto progress = make_progress();
  QuantizeReport report;
  Graph quantized = quantize(model, [&](std::vector<Tensor>& inputs) { return calibration->next(inputs); }, make_runner,
                             settings, &report, *progress);
  progress->end();
  export_model(quantized, options.output);
  if (options.json) print_json(to_json(options, report, calibration->skipped()));
  else print_report(options, report, calibration->skipped());
  return 0;
}

}  // namespace

Action add_quantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeCommandOptions>();
  options->add(app);
  return [options] { return quantize_command(*options); };
}

}  // namespace hone::app
