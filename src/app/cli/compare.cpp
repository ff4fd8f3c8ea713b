#include <algorithm>
#include <cmath>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/program.hpp"
#include "app/support/calibration.hpp"
#include "app/support/compare.hpp"
#include "app/support/format.hpp"
#include "app/support/latency.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/range.hpp"
#include "app/support/skipped.hpp"
#include "app/support/usage_error.hpp"
#include "import/import.hpp"

namespace hone::app {

namespace {

/// Values of an INT8 model part below this, unless --min-sqnr says otherwise: rounding that goes the other way once
/// makes an error of a whole step, which has no tolerance that suits all tensors.
constexpr double int8_min_sqnr = 15;

struct CompareCommand {
  std::string a, b, images, size;
  std::string device_a = "cpu", device_b;
  ImageFlags image;
  int random = 0, count = 4, batch = 1, threads = 0, top = 0;
  double rtol = 1e-3, atol = 1e-5;
  std::optional<double> min_sqnr;
  std::vector<std::string> disabled_passes, disabled_kernels;
  bool by_sqnr = false, json = false;

  void add(CLI::App& app) {
    app.add_option("A", a, "model file")->required()->transform(model_or_its_folder());
    app.add_option("B", b, "the model that is right; without it A is compared with its own reference evaluation")
        ->default_str("")
        ->transform(model_or_its_folder());
    app.add_option("--images", images, "a folder, CSV file or data set of images to run on")->default_str("");
    app.add_option("--count", count, "images to use")->check(in_range(1, 100000));
    app.add_option("--random", random, "run on so many random inputs (default: 1, without --images)")
        ->check(in_range(1, 100000))
        ->default_str("");
    app.add_option("--size", size, "HxW of random images, for models that leave it open");
    app.add_option("--batch", batch, "samples of a random input")->check(in_range(1, 65536));
    app.add_option("--device-a", device_a, "device of A (see hone devices)");
    app.add_option("--device-b", device_b, "device of B; reference without B, else cpu")->default_str("");
    app.add_option("--threads", threads, "threads of an inference; 0: one per processor")->check(in_range(0, 1024));
    app.add_option("--rtol", rtol, "values part when an error is above this times the largest value of the tensor ...")
        ->check(in_range(0.0, 1e30));
    app.add_option("--atol", atol, "... plus this")->check(in_range(0.0, 1e30));
    app.add_option("--min-sqnr", min_sqnr,
                   "values part below so many dB of signal over error instead (15 with an INT8 model)")
        ->default_str("");
    app.add_flag("--by-sqnr", by_sqnr, "worst values first");
    app.add_option("--top", top, "print so many nodes only; 0: all")->check(in_range(0, 1000000));
    app.add_option("--disable-pass", disabled_passes, "leave out a graph pass by name, on A")->default_str("");
    app.add_option("--disable-kernel", disabled_kernels, "leave out a kernel by name, on A")->default_str("");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
  }
};

bool quantized(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const auto& node) { return node->is("QuantizeLinear"); });
}

std::string decibels(double value) {
  if (std::isinf(value)) return value > 0 ? "exact" : "-inf";
  return fmt::format("{:.1f}", value);
}

/// JSON has no infinities: null is exact, or lost.
Json json_of(const ComparedValue& value) {
  auto figures = [](const ValueError& error) {
    Json json;
    json["max_abs"] = error.max_abs();
    json["max_rel"] = error.max_rel();
    json["sqnr_db"] = error.sqnr_db();
    json["cosine"] = error.cosine();
    return json;
  };
  Json json = {{"name", value.name_a},
               {"name_b", value.name_b},
               {"node", value.node},
               {"kernel", value.kernel},
               {"type", value.type}};
  json.update(figures(value.error));
  json["exact"] = value.error.max_abs() == 0;
  json["parts"] = value.parts;
  if (value.scaled_channels) json["scaled_channels"] = true;
  if (value.own) json["own"] = figures(*value.own);
  return json;
}

Json to_json(const Comparison& result, const CompareCommand& command, const CompareOptions& options, int inputs) {
  Json json;
  json["a"] = command.a;
  json["b"] = command.b.empty() ? command.a : command.b;
  json["device_a"] = options.device_a.device;
  json["device_b"] = options.device_b.device;
  json["inputs"] = inputs;
  json["outputs_part"] = result.outputs_part();
  json["optimization_parts"] = result.optimization_parts;
  json["first"] = result.first() < 0 ? Json() : json_of(result.nodes[static_cast<size_t>(result.first())]);
  if (!result.first_by_cutting.empty()) json["first_by_cutting"] = result.first_by_cutting;
  json["nodes"] = Json::array();
  for (const ComparedValue& value : result.nodes) json["nodes"].push_back(json_of(value));
  json["outputs"] = Json::array();
  for (const ComparedValue& value : result.outputs) json["outputs"].push_back(json_of(value));
  return json;
}

void print_table(const Comparison& result, const CompareCommand& command) {
  std::vector<const ComparedValue*> rows;
  for (const ComparedValue& value : result.nodes) rows.push_back(&value);
  if (command.by_sqnr)
    std::stable_sort(rows.begin(), rows.end(),
                     [](auto* a, auto* b) { return a->error.sqnr_db() < b->error.sqnr_db(); });
  if (command.top > 0 && rows.size() > static_cast<size_t>(command.top)) rows.resize(static_cast<size_t>(command.top));
  Table table({"value", "type", "SQNR dB", "max abs", "max rel", "cosine", "alone dB", "", "node", "kernel"},
              {1, 7, 8, 9});
  auto add = [&](const ComparedValue& value, const std::string& prefix) {
    table.add({prefix + value.name_a, value.type, decibels(value.error.sqnr_db()),
               fmt::format("{:.3g}", value.error.max_abs()), fmt::format("{:.2g}", value.error.max_rel()),
               fmt::format("{:.5f}", value.error.cosine()), value.own ? decibels(value.own->sqnr_db()) : "",
               value.parts ? "parts" : value.scaled_channels ? "scaled" : "", value.node, value.kernel});
  };
  for (const ComparedValue* value : rows) add(*value, "");
  for (const ComparedValue& value : result.outputs) add(value, "output ");
  fmt::print("{}\n", table.text());
}

void print_verdict(const Comparison& result, bool random_for_int8) {
  if (random_for_int8 && result.outputs_part())
    fmt::print("Random inputs are not what the ranges of an INT8 model were made for: see --images.\n");
  if (result.optimization_parts)
    fmt::print("The graph passes alone change the outputs: try --disable-pass (names: docs/passes.md).\n");
  if (int first = result.first(); first >= 0) {
    const ComparedValue& value = result.nodes[static_cast<size_t>(first)];
    fmt::print("First to part: {}, value '{}' {}, by {}: SQNR {} dB, max abs {:.3g}.\n", value.node, value.name_a,
               value.type, value.kernel, decibels(value.error.sqnr_db()), value.error.max_abs());
    if (value.own)
      fmt::print("Given the right values it has SQNR {} dB, max abs {:.3g}.\n", decibels(value.own->sqnr_db()),
                 value.own->max_abs());
  } else if (!result.first_by_cutting.empty()) {
    fmt::print(
        "The outputs part, but no watched value does: watching changed the kernels. Cut off behind one value after "
        "another, "
        "the first to part is {}.\n",
        result.first_by_cutting);
  } else {
    fmt::print("{}\n", result.outputs_part() ? "Only outputs part." : "They agree.");
  }
}

/// The model that says which sizes the inputs have: B where it fixes sizes that A leaves open.
const Graph& model_of_sizes(const Graph& a, const std::optional<Graph>& b) {
  auto open_sizes = [](const Graph& graph) {
    size_t open = 0;
    for (const Value* input : graph.inputs())
      for (int i = 0; i < input->shape().rank(); ++i) open += !input->shape()[i].known();
    return open;
  };
  return b && open_sizes(*b) < open_sizes(a) ? *b : a;
}

std::vector<Tensor> random_inputs(const Graph& model, const CompareCommand& command, uint64_t seed) {
  std::optional<ImageSize> size;
  if (!command.size.empty()) size = parse_size("--size", command.size);
  std::vector<Tensor> inputs;
  for (const Value* input : model.inputs())
    inputs.push_back(
        random_tensor(input->dtype(), concrete_dims(model, *input, command.batch, size), seed * 100 + inputs.size()));
  return inputs;
}

int compare(const CompareCommand& command) {
  if (!command.images.empty() && command.random > 0) throw UsageError("--images and --random exclude each other");
  Graph a = import_model(command.a);
  std::optional<Graph> b;
  if (!command.b.empty()) b = import_model(command.b);
  CompareOptions options;
  options.rtol = command.rtol;
  options.atol = command.atol;
  options.min_sqnr = command.min_sqnr;
  if (!options.min_sqnr && (quantized(a) || (b && quantized(*b)))) options.min_sqnr = int8_min_sqnr;
  options.device_a.device = command.device_a;
  options.device_a.disabled_passes = command.disabled_passes;
  options.device_a.disabled_kernels = command.disabled_kernels;
  options.device_b.device = !command.device_b.empty() ? command.device_b : b ? "cpu" : "reference";
  options.device_a.threads = options.device_b.threads = command.threads;
  if (!b && options.device_a.device == options.device_b.device && command.disabled_passes.empty() &&
      command.disabled_kernels.empty())
    throw UsageError(
        fmt::format("both sides are {} on {}; give a second model or other devices", command.a, command.device_a));
  Comparer comparer(a, b ? &*b : nullptr, options);
  const Graph& sized = model_of_sizes(a, b);
  int inputs = 0;
  if (command.images.empty()) {
    for (; inputs < std::max(1, command.random); ++inputs)
      comparer.add(random_inputs(sized, command, static_cast<uint64_t>(inputs) + 1));
  } else {
    auto source = image_calibration(sized, command.images, {}, command.image, command.count);
    for (std::vector<Tensor> set; inputs < command.count && source->next(set); ++inputs) comparer.add(set);
    fmt::print(stderr, "{}", describe_skipped(source->skipped()));
  }
  Comparison result = comparer.finish();
  if (command.json) {
    print_json(to_json(result, command, options, inputs));
  } else {
    fmt::print("{} on {} against {} on {}: {} input{}, {} of {} and {} steps compared\n\n", command.a,
               options.device_a.device, command.b.empty() ? "itself" : command.b, options.device_b.device, inputs,
               inputs == 1 ? "" : "s", result.nodes.size(), result.watched_a, result.watched_b);
    print_table(result, command);
    // Against itself both sides saturate alike, whatever the input.
    print_verdict(result, b && command.images.empty() && quantized(a) != quantized(*b));
  }
  return result.outputs_part() ? exit_failed : exit_done;
}

}  // namespace

Action add_compare(CLI::App& app) {
  auto command = std::make_shared<CompareCommand>();
  command->add(app);
  return [command] { return compare(*command); };
}

}  // namespace hone::app
