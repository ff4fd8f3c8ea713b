#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/format.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "export/export.hpp"
#include "graph/batch.hpp"
#include "import/import.hpp"
#include "optimize/any_batch.hpp"

namespace hone::app {

namespace {

struct ConvertOptions {
  std::string model, output, batch;
  bool optimize = false, json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required()->transform(model_or_its_folder());
    app.add_option("-o,--output", output, "the model to write (.onnx)")->required();
    app.add_option("--batch", batch, "size of dimension 0 of the inputs: a number, or a name for any number");
    app.add_flag("--optimize", optimize,
                 "apply the portable optimizations (batch norm into convolutions, folded constants ...)");
    app.add_flag("--json", json, "print JSON");
  }
};

/// "8" or "N".
Dim parse_batch(const std::string& text) {
  if (text.find_first_not_of("0123456789") != std::string::npos) {
    bool name = std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '_';
    if (!name) throw UsageError(fmt::format("--batch: got '{}', expected a number above 0 or a name such as N", text));
    return Dim::named(text);
  }
  int64_t number = text.size() < 10 ? std::stoll(text) : 0;
  if (number < 1)
    throw UsageError(fmt::format("--batch: got '{}', expected a number above 0 or a name such as N", text));
  return number;
}

int convert(const ConvertOptions& options) {
  std::filesystem::path output = options.output;
  if (output.extension() != ".onnx") throw UsageError(fmt::format("-o: '{}' must end in .onnx", options.output));
  make_writable_folder(output.has_parent_path() ? output.parent_path() : ".");
  Graph graph = import_model(options.model);
  size_t nodes = graph.nodes().size();
  if (!options.batch.empty()) {
    try {
      set_batch(graph, parse_batch(options.batch));
    } catch (const Error& error) {
      throw Error(fmt::format("'{}'", options.model),
                  fmt::format("does not work with batch {}: {}", options.batch, error.what()),
                  "export it with a free batch size");
    }
  }
  if (options.optimize) optimize_for_any_batch(graph);
  export_model(graph, output);
  if (options.json)
    print_json({{"model", options.model},
                {"output", options.output},
                {"nodes_before", nodes},
                {"nodes", graph.nodes().size()}});
  else
    fmt::print("{}: {} nodes (were {})\n", options.output, graph.nodes().size(), nodes);
  return 0;
}

}  // namespace

Action add_convert(CLI::App& app) {
  auto options = std::make_shared<ConvertOptions>();
  options->add(app);
  return [options] { return convert(*options); };
}

}  // namespace hone::app
