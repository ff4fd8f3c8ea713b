#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/classifier.hpp"
#include "app/support/evaluate.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"

namespace hone::app {

namespace {

struct EvalOptions {
  std::string model, data;
  ImageFlags image;
  DeviceFlags device;
  int batch = 1;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required();
    app.add_option("DATA", data, "folder with a sub-folder a class, or CSV file with the columns file and label (or label0)")
        ->required();
    app.add_option("--batch", batch, "images an inference")->check(in_range(1, 4096));
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }
};

int eval(const EvalOptions& options) {
  LoadedModel model = load_image_model(options.model, options.image);
  Classifier classifier(model.graph, model.labels, {options.device.options(), options.batch});
  Dataset data = read_labelled_images(options.data, classifier);
  Evaluation evaluation = evaluate(classifier, data, *make_progress());
  if (options.json) {
    Json json = {{"model", options.model}, {"data", options.data}};
    json.update(to_json(evaluation, classifier));
    print_json(json);
  } else {
    fmt::print("{}", to_text(evaluation, classifier));
  }
  return 0;
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  options->add(app);
  return [options] { return eval(*options); };
}

}  // namespace hone::app
