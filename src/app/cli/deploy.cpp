#include <algorithm>
#include <array>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/deployed_sources.hpp"
#include "app/support/format.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/predictor.hpp"
#include "app/support/range.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "data/names.hpp"
#include "export/export.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

constexpr const char* program_name = "hone_app";
constexpr double least_score =
    0.05;  // of the boxes that a detector's file still gives: the threshold in app.conf can go down to it

struct DeployOptions {
  std::string model, output, decoder;
  std::optional<double> score;
  int top = 1, threads = 0;
  ImageFlags image;
  bool no_binary = false, json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model,
                   "model file, FP32 or INT8: a classifier, a detector (of hone train, or with a known raw head) or a "
                   "segmenter")
        ->required()->transform(model_or_its_folder());
    app.add_option("-o,--output", output, "folder to write")->required();
    app.add_option("--score", score, "objects and multi-label classes below this score are left out (0.3, 0.5)")
        ->check(in_range(0.0, 1.0));
    app.add_option("--top", top, "classes to print for each image")->check(in_range(1, 1000));
    app.add_option("--threads", threads, "threads of an inference; 0: one per processor")->check(in_range(0, 1024));
    app.add_flag("--no-binary", no_binary, "write no ready-built program");
    app.add_flag("--json", json, "print JSON");
    app.add_option("--decoder", decoder,
                   "how a detector's raw head is read; default: known by its outputs (see hone eval --help)");
    image.add(app);
  }
};

/// The file `name` of this installation: beside this program, or in the library folder. Throws Error when it is
/// missing.
fs::path installed_file(const std::string& name) {
  fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  std::error_code ignored;
  for (const char* folder : {".", HONE_BIN_TO_LIB, "../lib"})
    if (fs::path file = here / folder / name; fs::is_regular_file(file, ignored)) return file;
  throw Error("'" + name + "'", "is not beside hone, nor in its library folder",
              "install Hone's library too, or give --no-binary");
}

void place(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::path source = fs::canonical(from, error);
  if (!error) fs::remove(to, error);  // a program that runs cannot be written over
  if (!error) fs::copy_file(source, to, error);
  if (error)
    throw Error("'" + to.string() + "'", "cannot be written: " + error.message(),
                "check the folder and the space on the disk");
}

std::string readme(const DeployOptions& options, const ImageModel& model, double threshold) {
  std::string text = fmt::format("# {} with Hone\n\n", fs::path(options.model).stem().string());
  text += fmt::format(
      "A model for {}, with {}, as a program that needs no training tool.\n\n", name_of(model.task),
      model.labels.empty() ? std::string("classes without names") : fmt::format("{} classes", model.labels.size()));
  text += fmt::format(
      "    ./{} photo.jpg        # the ready-built program (Debian 12: apt install libdnnl2 libgomp1 libfmt9 "
      "libopencv-imgcodecs406)\n\n"
      "    cmake -S src -B build -DCMAKE_PREFIX_PATH=/opt/hone && cmake --build build && build/{} photo.jpg\n\n"
      "| file | |\n|---|---|\n"
      "| `model.onnx` | takes a decoded image (u8, RGB, any size); preprocessing is inside. Standard ONNX: other "
      "runtimes read it too |\n"
      "| `labels.txt` | class names, one a line; change them as you like |\n"
      "| `app.conf` | task, threshold ({}), classes to print, threads |\n"
      "| `src/` | the program: `tasks.hpp` is where to change what is done with an answer |\n"
      "| `{}`, `libhone.so.*` | the same, ready-built for this kind of machine; keep both in one folder |\n",
      program_name, program_name, threshold, program_name);
  return text;
}

int deploy(const DeployOptions& options) {
  ImageModel model = open_image_model(options.model, options.image, options.decoder);
  if (model.decoder) {  // what the program on the target need not know
    model.graph = finished(model.graph, *model.decoder, std::min(least_score, options.score.value_or(least_score)));
    model.decoder = nullptr;
  }
  Predictor check(model, {{}, options.score});  // explains what is wrong with a model now, not on the target
  fs::path folder = options.output;
  make_writable_folder(folder / "src");
  if (!model.labels.empty()) set_labels(model.graph, model.labels);
  export_model(model.graph, folder / "model.onnx");
  std::string labels;
  for (const std::string& label : model.labels) labels += label + '\n';
  write_file(folder / "labels.txt", labels);
  write_file(folder / "app.conf", fmt::format("# Read by the program at its start.\ntask = {}\nmodel = "
                                              "model.onnx\nthreshold = {}\ntop = {}\nthreads = {}\n",
                                              name_of(model.task), check.score(), options.top, options.threads));
  for (auto& [name, content] : deployed_sources()) write_file(folder / "src" / name, content);
  write_file(folder / "README.md", readme(options, model, check.score()));
  if (!options.no_binary) {
    place(installed_file(program_name), folder / program_name);
    place(installed_file(HONE_LIBRARY_FILE), folder / HONE_LIBRARY_FILE);
  }
  if (options.json)
    print_json(Json{{"folder", folder.string()},
                    {"task", name_of(model.task)},
                    {"classes", model.labels.size()},
                    {"threshold", check.score()}});
  else
    fmt::print("{}  {}, {}\ntry: {} IMAGE\n", folder.string(), name_of(model.task),
               format_bytes(static_cast<double>(fs::file_size(folder / "model.onnx"))),
               (folder / (options.no_binary ? "README.md" : program_name)).string());
  return 0;
}

}  // namespace

Action add_deploy(CLI::App& app) {
  auto options = std::make_shared<DeployOptions>();
  options->add(app);
  return [options] { return deploy(*options); };
}

}  // namespace hone::app
