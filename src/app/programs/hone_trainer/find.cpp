#include "app/programs/hone_trainer/find.hpp"

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/programs/hone_trainer/options.hpp"
#include "app/support/latency.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "graph/cost.hpp"
#include "run/session.hpp"
#include "train/recipes.hpp"
#include "train/templates.hpp"

namespace hone::app {

namespace {

struct FindOptions {
  std::string task, size;
  double width = 0;
  int classes = 10;
  double seconds = 0.3;
  bool json = false;
  DeviceFlags device;

  void add(CLI::App& app) {
    app.add_option("--task", task, "classification, detection or segmentation; default: all");
    app.add_option("--size", size, "N or HxW of the images; default: what hone train takes");
    app.add_option("--width", width, "multiplies the channels; default: what hone train takes")
        ->check(in_range(0.05, 8.0))
        ->default_str("");
    app.add_option("--classes", classes, "that the model tells apart")->check(in_range(2, 100000));
    app.add_option("--seconds", seconds, "time to measure the latency of each; 0: do not measure")
        ->check(in_range(0.0, 600.0));
    app.add_flag("--json", json, "print JSON");
    device.add(app);
  }
};

struct Found {
  const Template* known = nullptr;
  ImageSize size;
  double width = 1;
  double gflops = 0, milliseconds = 0;
  int64_t parameters = 0;
};

/// What hone train takes for photos when nothing is said.
ImageSize usual_size(const Template& known, const Json& recipe) {
  if (recipe.contains("size")) return parse_size("size of the recipe", recipe["size"].get<std::string>());
  if (known.task == Task::detection)
    return std::string(known.name) == "ssd300_vgg16" ? ImageSize{300, 300} : ImageSize{320, 416};
  return known.task == Task::segmentation ? ImageSize{352, 480} : ImageSize{128, 128};
}

/// Median of runs with one image.
double measure(Graph graph, const FindOptions& options) {
  using Clock = std::chrono::steady_clock;
  auto passed = [](Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); };
  std::vector<Tensor> input{random_tensor(DType::f32, graph.inputs()[0]->shape().concrete(), 1)};
  Session session(load(std::move(graph), options.device.options()));
  std::vector<Tensor> outputs = session.run(input);
  session.run(input, outputs);
  std::vector<double> times;
  for (auto begin = Clock::now(); times.size() < 3 || passed(begin) < options.seconds;) {
    auto start = Clock::now();
    session.run(input, outputs);
    times.push_back(1000 * passed(start));
    check_interrupt("find");
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

Found look_at(const Template& known, const FindOptions& options) {
  const char* text = builtin_recipe(known.name);
  Json recipe = text ? Json::parse(text) : Json::object();
  Found found;
  found.known = &known;
  found.size = options.size.empty() ? usual_size(known, recipe) : parse_size("--size", options.size);
  found.width = options.width > 0 ? options.width : recipe.value("width", 1.0);
  TemplateOptions shape;
  shape.classes = options.classes;
  shape.width = found.width;
  shape.height = found.size.height;
  shape.width_px = found.size.width;
  shape.zero_gamma = false;  // layers of zeros would be taken out
  Graph graph = build_template(known.name, shape);
  graph.set_input_type(graph.inputs()[0], {DType::f32, Shape{1, 3, found.size.height, found.size.width}});
  graph.infer();
  for (auto& node : graph.nodes()) found.gflops += 1e-9 * node_flops(*node);
  found.parameters = parameter_count(graph);
  if (options.seconds > 0) found.milliseconds = measure(std::move(graph), options);
  return found;
}

void print_table(const std::vector<Found>& list, bool measured) {
  Table table({"template", "task", "size", "width", "GFLOPs", "parameters", "file", "ms", "for"}, {1, 2, 8});
  for (const Found& found : list)
    table.add({found.known->name, name_of(found.known->task), fmt::format("{}x{}", found.size.height, found.size.width),
               fmt::format("{:g}", found.width), fmt::format("{:.2f}", found.gflops),
               format_count(static_cast<double>(found.parameters)),
               format_bytes(4.0 * static_cast<double>(found.parameters)),
               measured ? fmt::format("{:.1f}", found.milliseconds) : "", found.known->summary});
  fmt::print("{}", table.text());
}

int find(const FindOptions& options) {
  std::optional<Task> task;
  if (!options.task.empty()) task = parse_task(options.task);
  if (task == Task::multi_label) task = Task::classification;  // the same networks
  std::vector<const Template*> wanted;
  for (const Template& known : templates())
    if (!task || known.task == *task) wanted.push_back(&known);
  if (wanted.empty())
    throw Error("--task", fmt::format("is {}, for which there is no template", options.task),
                "templates are for classification, detection and segmentation");
  auto progress = make_progress();
  progress->begin("measuring", static_cast<int64_t>(wanted.size()));
  std::vector<Found> list;
  for (const Template* known : wanted) {
    progress->update(static_cast<int64_t>(list.size()), known->name);
    list.push_back(look_at(*known, options));
  }
  progress->end();
  if (!options.json) {
    print_table(list, options.seconds > 0);
    if (options.seconds > 0)
      fmt::print("ms: one image, FP32, {} threads of this machine\n",
                 options.device.threads > 0 ? options.device.threads : cpu_features().cores);
    return 0;
  }
  Json json = Json::array();
  for (const Found& found : list)
    json.push_back({{"template", found.known->name},
                    {"task", name_of(found.known->task)},
                    {"summary", found.known->summary},
                    {"height", found.size.height},
                    {"width", found.size.width},
                    {"width_multiplier", found.width},
                    {"gflops", found.gflops},
                    {"parameters", found.parameters},
                    {"bytes", 4 * found.parameters},
                    {"latency_ms", options.seconds > 0 ? Json(found.milliseconds) : Json()}});
  print_json(json);
  return 0;
}

}  // namespace

Action add_find(CLI::App& app) {
  auto options = std::make_shared<FindOptions>();
  options->add(app);
  return [options] { return find(*options); };
}

}  // namespace hone::app
