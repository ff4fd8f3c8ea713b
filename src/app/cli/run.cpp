#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/program.hpp"
#include "app/support/classifier.hpp"
#include "app/support/format.hpp"
#include "app/support/range.hpp"
#include "data/dataset.hpp"
#include "data/metrics.hpp"

namespace hone::app {

namespace {

struct RunOptions {
  std::string model;
  std::vector<std::string> images;
  ImageFlags image;
  DeviceFlags device;
  int top = 1;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required();
    app.add_option("IMAGE", images, "image files, or folders of images")->required()->default_str("");
    app.add_option("--top", top, "classes to print for each image")->check(in_range(1, 1000));
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }
};

void print_classes(const std::filesystem::path& path, const Classifier& classifier, std::span<const int> best,
                   std::span<const float> probabilities) {
  std::string indent(path.string().size() + 2, ' ');
  for (size_t i = 0; i < best.size(); ++i)
    fmt::print("{}{}, {}\n", i == 0 ? path.string() + ": " : indent, classifier.label(best[i]),
               format_percent(probabilities[static_cast<size_t>(best[i])]));
}

int run(const RunOptions& options) {
  std::vector<std::filesystem::path> files;
  for (const std::string& image : options.images)
    for (std::filesystem::path& file : list_images(image)) files.push_back(std::move(file));
  LoadedModel model = load_image_model(options.model, options.image);
  Classifier classifier(model.graph, model.labels, {options.device.options()});
  Json json = Json::array();
  bool all_read = true;
  classifier.classify(
      files.size(), [&](size_t index) { return decode_image(files[index]); },
      [&](size_t index, std::span<const float> probabilities) {
        std::vector<int> best = top_k(probabilities, std::min(options.top, classifier.classes()));
        if (!options.json) return print_classes(files[index], classifier, best, probabilities);
        Json classes = Json::array();
        for (int i : best)
          classes.push_back({{"index", i}, {"label", classifier.label(i)}, {"probability", probabilities[static_cast<size_t>(i)]}});
        json.push_back({{"file", files[index].string()}, {"classes", classes}});
      },
      [&](size_t index, const std::string& reason) {
        all_read = false;
        fmt::print(stderr, "hone: '{}': {}\n", files[index].string(), reason);
        if (options.json) json.push_back({{"file", files[index].string()}, {"error", reason}});
      });
  if (options.json) print_json(json);
  return all_read ? exit_done : exit_failed;
}

}  // namespace

Action add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  options->add(app);
  return [options] { return run(*options); };
}

}  // namespace hone::app
