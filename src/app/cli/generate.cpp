#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/format.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "base/file.hpp"
#include "data/dataset.hpp"
#include "data/synthetic.hpp"

namespace hone::app {

namespace {

struct GenerateCommandOptions {
  std::string folder;
  GenerateOptions generate;
  bool json = false;

  void add(CLI::App& app) {
    std::string classes;
    for (const std::string& part : part_classes()) classes += (classes.empty() ? "" : ", ") + part;
    app.add_option("DIR", folder, "folder to write train/CLASS/*.jpg and val/CLASS/*.jpg to")->required();
    app.add_option("--images-per-class", generate.images_per_class,
                   "training images of a class; a quarter more for validation")
        ->check(in_range(1, 1000000));
    app.add_option("--size", generate.size, "width of an image; the height is three quarters of it");
    app.add_option("--classes", generate.classes, "some of: " + classes)->delimiter(',')->default_str("");
    app.add_option("--seed", generate.seed, "other seeds give other images");
    app.add_option("--threads", generate.threads, "0: one per processor")->check(in_range(0, 1024));
    app.add_flag("--json", json, "print JSON");
  }
};

int generate(const GenerateCommandOptions& options) {
  make_writable_folder(options.folder);
  auto progress = make_progress();
  GenerateOptions settings = options.generate;
  settings.progress = progress.get();
  generate_parts_dataset(options.folder, settings);
  progress->end();
  size_t train = list_images(std::filesystem::path(options.folder) / "train").size();
  size_t validation = list_images(std::filesystem::path(options.folder) / "val").size();
  if (options.json)
    print_json({{"folder", options.folder}, {"train_images", train}, {"validation_images", validation}});
  else
    fmt::print("{}: {} training and {} validation images\nnext: hone train {} -o MODEL_FOLDER\n", options.folder, train,
               validation, options.folder);
  return 0;
}

}  // namespace

Action add_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateCommandOptions>();
  options->add(app);
  return [options] { return generate(*options); };
}

}  // namespace hone::app
