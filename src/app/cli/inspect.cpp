#include <algorithm>
#include <map>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/format.hpp"
#include "app/support/latency.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/range.hpp"
#include "base/error.hpp"
#include "graph/cost.hpp"
#include "graph/text.hpp"
#include "import/import.hpp"
#include "optimize/pass_manager.hpp"

namespace hone::app {

namespace {

struct InspectOptions {
  std::string model, size;
  int batch = 1;
  bool text = false, optimized = false, json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required()->transform(model_or_its_folder());
    app.add_flag("--text", text, "print the graph (constants above 16 elements are left out)");
    app.add_flag("--optimized", optimized, "show the graph after the portable optimizations");
    app.add_option("--batch", batch, "samples for the figures of cost")->check(in_range(1, 65536));
    app.add_option("--size", size, "HxW of the input image for the figures of cost, for models that leave it open");
    app.add_flag("--json", json, "print JSON");
  }
};

/// What one inference costs, for concrete input sizes.
struct Cost {
  std::string inputs;      ///< the sizes, for people
  double flops = 0;
  double peak_bytes = 0;   ///< of activations that are alive at the same time, in the order of the nodes
  std::string unknown;     ///< why there are no figures
};

double value_bytes(const Value* value) {
  if (!value->shape().is_static()) return 0;
  return static_cast<double>(element_count(value->shape().concrete())) * static_cast<double>(size_of(value->dtype()));
}

double peak_activation_bytes(const Graph& graph) {
  std::map<const Value*, size_t> last_use;
  size_t step = 0;
  for (const auto& node : graph.nodes()) {
    for (const Value* input : node->inputs())
      if (input && !input->is_constant()) last_use[input] = step;
    ++step;
  }
  double alive = 0, peak = 0;
  for (const Value* input : graph.inputs()) alive += value_bytes(input);
  step = 0;
  for (const auto& node : graph.nodes()) {
    for (const Value* output : node->outputs()) alive += value_bytes(output);
    peak = std::max(peak, alive);
    std::set<const Value*> ended(node->inputs().begin(), node->inputs().end());
    for (const Value* input : ended)
      if (input && !input->is_constant() && last_use[input] == step && !graph.is_output(input))
        alive -= value_bytes(input);
    ++step;
  }
  return peak;
}

Cost cost_of(const Graph& model, const InspectOptions& options) {
  std::optional<ImageSize> size;
  if (!options.size.empty()) size = parse_size("--size", options.size);
  Cost cost;
  try {
    Graph concrete = model.clone();
    for (Value* input : concrete.inputs()) {
      Dims dims = concrete_dims(concrete, *input, options.batch, size);
      cost.inputs += (cost.inputs.empty() ? "" : ", ") + input->name + " " + to_string(dims);
      concrete.set_input_type(input, {input->dtype(), Shape(dims)});
    }
    concrete.infer();
    for (const auto& node : concrete.nodes()) cost.flops += node_flops(*node);
    cost.peak_bytes = peak_activation_bytes(concrete);
  } catch (const Error& error) {
    cost.unknown = error.what();
  }
  return cost;
}

double constant_bytes(const Graph& graph) {
  double bytes = 0;
  for (const Value* constant : graph.constants()) bytes += static_cast<double>(constant->constant().bytes());
  return bytes;
}

/// Op types with how often each occurs, most frequent first.
std::vector<std::pair<std::string, int64_t>> histogram(const Graph& graph) {
  std::map<std::string, int64_t> counts;
  for (const auto& node : graph.nodes()) {
    std::string domain = node->op().domain();
    ++counts[(domain.empty() ? "" : domain + ".") + node->op().type()];
  }
  std::vector<std::pair<std::string, int64_t>> list(counts.begin(), counts.end());
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return list;
}

Json ports_json(const Graph& graph, bool outputs) {
  Json list = Json::array();
  auto add = [&](const std::string& name, const Type& type) {
    Json dims = Json::array();
    for (const Dim& dim : type.shape.dims) dim.known() ? dims.push_back(dim.value) : dims.push_back(to_string(dim));
    list.push_back({{"name", name}, {"type", name_of(type.dtype)}, {"dims", dims}});
  };
  if (outputs)
    for (const GraphOutput& output : graph.outputs()) add(output.name, output.value->type);
  else
    for (const Value* input : graph.inputs()) add(input->name, input->type);
  return list;
}

Json to_json(const Graph& graph, const InspectOptions& options) {
  Cost cost = cost_of(graph, options);
  Json json;
  json["model"] = options.model;
  json["name"] = graph.name;
  json["inputs"] = ports_json(graph, false);
  json["outputs"] = ports_json(graph, true);
  json["nodes"] = graph.nodes().size();
  json["ops"] = Json::object();
  for (const auto& [op, count] : histogram(graph)) json["ops"][op] = count;
  json["parameters"] = parameter_count(graph);
  json["constant_bytes"] = constant_bytes(graph);
  if (cost.unknown.empty()) {
    json["flops"] = cost.flops;
    json["peak_activation_bytes"] = cost.peak_bytes;
  }
  json["labels"] = get_labels(graph.metadata);
  json["metadata"] = graph.metadata;
  if (options.text) json["text"] = to_text(graph, {.elide_above = 16});
  return json;
}

/// The first line of a value, shortened.
std::string one_line(const std::string& text, size_t length) {
  std::string line = text.substr(0, text.find('\n'));
  bool cut = line.size() < text.size() || line.size() > length;
  if (line.size() > length) line.resize(length);
  return line + (cut ? " ..." : "");
}

void print_summary(const Graph& graph, const InspectOptions& options) {
  fmt::print("{}  ({}, graph '{}')\n", options.model,
             format_bytes(static_cast<double>(std::filesystem::file_size(options.model))), graph.name);
  for (const Value* input : graph.inputs()) fmt::print("input       {}  {}\n", input->name, to_string(input->type));
  for (const GraphOutput& output : graph.outputs())
    fmt::print("output      {}  {}\n", output.name, to_string(output.value->type));
  std::string ops;
  for (const auto& [op, count] : histogram(graph)) ops += fmt::format("{}{} {}", ops.empty() ? "" : ", ", op, count);
  fmt::print("nodes       {}: {}\n", graph.nodes().size(), ops);
  fmt::print("parameters  {} ({})\n", format_count(static_cast<double>(parameter_count(graph))),
             format_bytes(constant_bytes(graph)));
  Cost cost = cost_of(graph, options);
  if (cost.unknown.empty()) {
    fmt::print("compute     {:.3f} GFLOPs for {}\n", cost.flops * 1e-9, cost.inputs);
    fmt::print("memory      {} weights, {} activations at most\n", format_bytes(constant_bytes(graph)),
               format_bytes(cost.peak_bytes));
  } else {
    fmt::print("compute     not known: {}\n", cost.unknown);
  }
  std::vector<std::string> labels = get_labels(graph.metadata);
  if (!labels.empty()) {
    std::string text;
    for (size_t i = 0; i < labels.size() && i < 12; ++i) text += (i ? ", " : "") + labels[i];
    fmt::print("labels      {}: {}{}\n", labels.size(), text, labels.size() > 12 ? ", ..." : "");
  }
  for (const auto& [key, value] : graph.metadata)
    if (key != "labels") fmt::print("metadata    {} = {}\n", key, one_line(value, 160));
}

int inspect(const InspectOptions& options) {
  Graph graph = import_model(options.model);
  if (options.optimized) optimize(graph);
  if (options.json) print_json(to_json(graph, options));
  else if (options.text) fmt::print("{}", to_text(graph, {.elide_above = 16}));
  else print_summary(graph, options);
  return 0;
}

}  // namespace

Action add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  options->add(app);
  return [options] { return inspect(*options); };
}

}  // namespace hone::app
