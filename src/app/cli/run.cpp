#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/program.hpp"
#include "app/support/classifier.hpp"
#include "app/support/format.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/predictor.hpp"
#include "app/support/range.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/dataset.hpp"
#include "data/metrics.hpp"

namespace hone::app {

namespace {

struct RunOptions {
  std::string model, decoder;
  std::vector<std::string> images;
  ImageFlags image;
  DeviceFlags device;
  std::optional<double> score;
  int top = 1;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file: a classifier, a detector or a segmenter")
        ->required()
        ->transform(model_or_its_folder());
    app.add_option("IMAGE", images, "image files, or folders of images")->required()->default_str("");
    app.add_option("--top", top, "classes to print for each image")->check(in_range(1, 1000));
    app.add_option("--score", score, "objects and multi-label classes below this score are left out (0.3, 0.5)")
        ->check(in_range(0.0, 1.0));
    app.add_option("--decoder", decoder, "how a detector's raw head is read; default: known by its outputs");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }
};

/// Lines of one image: its name in front of the first, the others below it.
void print_lines(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  std::string indent(path.string().size() + 2, ' ');
  for (size_t i = 0; i < lines.size(); ++i) fmt::print("{}{}\n", i == 0 ? path.string() + ": " : indent, lines[i]);
}

/// Collects what is printed as JSON, and whether all images could be read.
struct Report {
  bool as_json;
  Json json = Json::array();
  bool all_read = true;

  void unreadable(const std::filesystem::path& path, const std::string& reason) {
    all_read = false;
    fmt::print(stderr, "hone: '{}': {}\n", path.string(), reason);
    if (as_json) json.push_back({{"file", path.string()}, {"error", reason}});
  }
  int finish() const {
    if (as_json) print_json(json);
    return all_read ? exit_done : exit_failed;
  }
};

/// Threads decode images while earlier ones are classified.
void run_classifier(const RunOptions& options, const ImageModel& model, const std::vector<std::filesystem::path>& files,
                    Report& report) {
  Classifier classifier(model.graph, model.labels, {options.device.options()});
  classifier.classify(
      files.size(), [&](size_t index) { return decode_image(files[index]); },
      [&](size_t index, std::span<const float> probabilities) {
        Json classes = Json::array();
        std::vector<std::string> lines;
        for (int i : top_k(probabilities, std::min(options.top, classifier.classes()))) {
          float probability = probabilities[static_cast<size_t>(i)];
          lines.push_back(classifier.label(i) + ", " + format_percent(probability));
          classes.push_back({{"index", i}, {"label", classifier.label(i)}, {"probability", probability}});
        }
        if (report.as_json) report.json.push_back({{"file", files[index].string()}, {"classes", classes}});
        else print_lines(files[index], lines);
      },
      [&](size_t index, const std::string& reason) { report.unreadable(files[index], reason); });
}

std::vector<std::string> lines_of(const Findings& found, const Predictor& predictor) {
  std::vector<std::string> lines;
  for (const Detection& one : found.objects)
    lines.push_back(fmt::format("{}, {}, left {:.0f} top {:.0f} right {:.0f} bottom {:.0f}", predictor.label(one.label),
                                format_percent(one.score), one.box.x, one.box.y, one.box.right(), one.box.bottom()));
  for (size_t i = 0; i < found.probabilities.size(); ++i)
    if (found.probabilities[i] >= predictor.score())
      lines.push_back(predictor.label(static_cast<int>(i)) + ", " + format_percent(found.probabilities[i]));
  if (found.classes.defined())
    for (auto [label, share] : class_shares(found.classes))
      lines.push_back(fmt::format("{}, {} of the pixels", predictor.label(label), format_percent(share)));
  if (lines.empty()) lines.push_back(predictor.task() == Task::detection ? "no objects" : "no class");
  return lines;
}

Json json_of(const Findings& found, const Predictor& predictor) {
  Json list = Json::array();
  for (const Detection& one : found.objects)
    list.push_back({{"index", one.label}, {"label", predictor.label(one.label)}, {"score", one.score},
                    {"box", {one.box.x, one.box.y, one.box.right(), one.box.bottom()}}});
  for (size_t i = 0; i < found.probabilities.size(); ++i)
    if (found.probabilities[i] >= predictor.score())
      list.push_back(
          {{"index", i}, {"label", predictor.label(static_cast<int>(i))}, {"probability", found.probabilities[i]}});
  if (found.classes.defined())
    for (auto [label, share] : class_shares(found.classes))
      list.push_back({{"index", label}, {"label", predictor.label(label)}, {"share", share}});
  return list;
}

void run_predictor(const RunOptions& options, const ImageModel& model, const std::vector<std::filesystem::path>& files,
                   Report& report) {
  Predictor predictor(model, {options.device.options(), options.score});
  for (const std::filesystem::path& file : files) {
    check_interrupt("hone run");
    Tensor image;
    try {
      image = decode_image(file);
    } catch (const Error& error) {
      report.unreadable(file, error.problem());
      continue;
    }
    Findings found = predictor.predict(image);
    const char* key = predictor.task() == Task::detection ? "objects" : "classes";
    if (report.as_json) report.json.push_back({{"file", file.string()}, {key, json_of(found, predictor)}});
    else print_lines(file, lines_of(found, predictor));
  }
}

int run(const RunOptions& options) {
  std::vector<std::filesystem::path> files;
  for (const std::string& image : options.images)
    for (std::filesystem::path& file : list_images(image)) files.push_back(std::move(file));
  ImageModel model = open_image_model(options.model, options.image, options.decoder);
  Report report{options.json};
  (model.task == Task::classification ? run_classifier : run_predictor)(options, model, files, report);
  return report.finish();
}

}  // namespace

Action add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  options->add(app);
  return [options] { return run(*options); };
}

}  // namespace hone::app
