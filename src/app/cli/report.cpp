#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/report/page.hpp"
#include "app/support/classifier.hpp"
#include "app/support/labelled_data.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

struct ReportOptions {
  std::string folder, data, output, title = "Image classifier";
  DataFlags images;
  double seconds = 2;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("DIR", folder, "folder with model.onnx, and model.int8.onnx and train.json where there are such")
        ->required();
    app.add_option("--data", data, "labelled images, as for hone eval")->required();
    app.add_option("-o,--output", output, "the page to write (default: DIR/report.html)");
    app.add_option("--title", title, "heading of the page");
    app.add_option("--seconds", seconds, "time to measure the latency of each model")->check(in_range(0.0, 3600.0));
    app.add_flag("--json", json, "print JSON");
    images.add(app);
  }
};

ModelResult measure_accuracy(const std::string& name, const fs::path& file, const ReportOptions& options,
                             std::vector<std::string>& classes, Progress& progress) {
  ModelResult result{name, file, static_cast<double>(fs::file_size(file))};
  LoadedModel model = load_image_model(file, {});
  Classifier classifier(model.graph, model.labels, {});
  Dataset data = read_labelled_images(options.data, classifier.labels(), options.images, progress);
  result.evaluation = evaluate(classifier, data, progress);
  classes.clear();
  for (int i = 0; i < classifier.classes(); ++i) classes.push_back(classifier.label(i));
  return result;
}

/// Medians over rounds in which the models take turns: other work on the machine, and its clock, then slow all alike.
void measure_speed(std::vector<ModelResult>& models, double seconds) {
  constexpr size_t rounds = 5;
  for (int threads : {1, cpu_features().cores}) {
    std::vector<std::vector<Latency>> runs(models.size());
    for (size_t round = 0; round < rounds; ++round)
      for (size_t i = 0; i < models.size(); ++i)
        runs[i].push_back(
            measure_latency(models[i].file, {.device = {.threads = threads}, .seconds = seconds / rounds}));
    for (size_t i = 0; i < models.size(); ++i) {
      std::sort(runs[i].begin(), runs[i].end(), [](auto& a, auto& b) { return a.median_ms < b.median_ms; });
      (threads == 1 ? models[i].one_thread : models[i].all_threads) = runs[i][rounds / 2];
    }
  }
  if (cpu_features().cores == 1)
    for (ModelResult& model : models) model.all_threads = model.one_thread;
}

Json to_json(const ReportData& data, const fs::path& output) {
  Json json = {{"report", output.string()}, {"models", Json::array()}};
  for (const ModelResult& model : data.models)
    json["models"].push_back({{"name", model.name},
                              {"file", model.file.string()},
                              {"bytes", model.bytes},
                              {"images", model.evaluation.images},
                              {"top1", model.evaluation.top1()},
                              {"median_ms_1_thread", model.one_thread.median_ms},
                              {"throughput_1_thread", model.one_thread.throughput},
                              {"threads", model.all_threads.threads},
                              {"median_ms", model.all_threads.median_ms},
                              {"throughput", model.all_threads.throughput}});
  if (data.models.size() == 2) json["agreement"] = agreement(data.models[0], data.models[1]);
  return json;
}

int report(const ReportOptions& options) {
  fs::path folder = options.folder;
  fs::path output = options.output.empty() ? folder / "report.html" : fs::path(options.output);
  if (!fs::is_regular_file(folder / "model.onnx"))
    throw Error("'" + options.folder + "'", "has no model.onnx", "give the folder that hone train wrote");
  make_writable_folder(output.has_parent_path() ? output.parent_path() : ".");
  auto progress = make_progress();
  ReportData data;
  data.title = options.title;
  data.data = options.data;
  if (fs::is_regular_file(folder / "train.json")) data.training = read_json_file(folder / "train.json");
  data.models.push_back(measure_accuracy("FP32", folder / "model.onnx", options, data.classes, *progress));
  if (fs::is_regular_file(folder / "model.int8.onnx"))
    data.models.push_back(measure_accuracy("INT8", folder / "model.int8.onnx", options, data.classes, *progress));
  else
    warn(fmt::format("'{}' has no model.int8.onnx: the report shows FP32 only", options.folder));
  measure_speed(data.models, options.seconds);
  write_file(output, report_page(data));
  if (options.json) print_json(to_json(data, output));
  else fmt::print("{}\n{}\n", comparison_table(data.models), output.string());
  return 0;
}

}  // namespace

Action add_report(CLI::App& app) {
  auto options = std::make_shared<ReportOptions>();
  options->add(app);
  return [options] { return report(*options); };
}

}  // namespace hone::app
