#include "app/programs/hone_trainer/budget.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "train/measure.hpp"

namespace hone::app {

namespace {

struct Candidate {
  std::string template_name;
  double width = 1;
  ImageSize size;
};

ImageSize scaled(const ImageSize& size, double factor, int multiple) {
  auto side = [&](int pixels) {
    return std::max(2 * multiple, static_cast<int>(pixels * factor / multiple + 0.5) * multiple);
  };
  return {side(size.height), side(size.width)};
}

/// From the most precise to the quickest; what is given stays.
std::vector<Candidate> candidates(const TrainCommandOptions& options, const ModelPlan& plan, const Dataset& train) {
  ImageSize usual = choose_size(options, plan, train);
  bool classifies = plan.task == Task::classification || plan.task == Task::multi_label;
  std::vector<Candidate> list;
  auto add = [&](const std::string& name, double width, const ImageSize& size) {
    list.push_back({name, options.given("--width") ? options.width : width, options.size.empty() ? size : usual});
  };
  if (classifies && !plan.pretrained() && !options.given("--template")) {
    double grow = options.size.empty() && usual.height >= 128 ? 1.25 : 1;
    add("mobilenet_v2", 1.0, scaled(usual, grow, 16));
    add("mobilenet_v2", 1.0, usual);
    add("mobilenet_v2", 0.5, usual);
    add("mobilenet_v2", 0.5, scaled(usual, 0.75, 16));
    add("mobilenet_v2", 0.35, scaled(usual, 0.5, 16));
    return list;
  }
  int multiple = plan.task == Task::segmentation ? 16 : 32;
  for (double factor : {1.0, 0.85, 0.7, 0.55})
    add(plan.template_name, options.width, factor == 1.0 ? usual : scaled(usual, factor, multiple));
  return list;
}

/// Images that training should see in all.
double wanted_images(const ModelPlan& plan, const Dataset& train) {
  auto images = static_cast<double>(train.samples.size());
  if (plan.task == Task::detection || plan.task == Task::segmentation) return std::max(8000.0, 5 * images);
  return plan.pretrained() ? 8 * images : std::max(40 * images, 8000.0);
}

double free_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word)
    if (double kilobytes = 0; word == "MemAvailable:" && file >> kilobytes) return 1024 * kilobytes;
  return 0;
}

}  // namespace

void choose_by_time(TrainCommandOptions& options, ModelPlan& plan, const Splits& data) {
  double seconds = 60 * parse_minutes("--time", options.time);
  double wanted = wanted_images(plan, data.train);
  std::vector<Candidate> list = candidates(options, plan, data.train);
  double width = options.width;
  for (size_t i = 0; i < list.size(); ++i) {
    const Candidate& candidate = list[i];
    options.width = candidate.width;
    ModelPlan tried = with_size(options, plan, candidate.size);
    tried.template_name = candidate.template_name;
    Graph model = build_model(options, tried, data.train.classes);
    double each = training_seconds_per_image(model, 16, options.train.threads);
    double possible = 0.8 * seconds / each;
    bool last = i + 1 == list.size();
    if (possible < wanted && !last) continue;
    fmt::print(stderr, "{}: {} of width {:g} at {}x{}, {:.0f} images/s: about {:.0f} passes over the images\n",
               options.time, candidate.template_name, candidate.width, candidate.size.height, candidate.size.width,
               1 / each, possible / static_cast<double>(std::max<size_t>(1, data.train.samples.size())));
    options.width = width;
    if (candidate.template_name != "backbone") options.choose("template", candidate.template_name);
    options.choose("width", candidate.width);
    options.choose("size", fmt::format("{}x{}", candidate.size.height, candidate.size.width));
    if (candidate.template_name != "backbone") plan.template_name = candidate.template_name;
    return;
  }
}

void choose_batch(TrainCommandOptions& options, const Graph& model, const Dataset& train) {
  if (options.given("--batch")) return;
  int batch = options.train.batch_size;
  while (batch > 4 && static_cast<int64_t>(train.samples.size()) < 8 * batch) batch /= 2;
  // Every value is kept for the backward pass, and as much again is in use by gradients and buffers of the kernels.
  double floats = 0;
  for (auto& node : model.nodes())
    for (const Value* value : node->outputs()) {
      double count = 1;
      for (size_t i = 1; i < value->shape().dims.size(); ++i)
        count *= static_cast<double>(std::max<int64_t>(1, value->shape()[i].value));
      floats += count;
    }
  double memory = free_memory(), each = 2 * 4 * floats;
  while (batch > 2 && memory > 0 && each * batch > memory / 2) batch /= 2;
  if (batch == options.train.batch_size) return;
  fmt::print(stderr, "batches of {} images instead of {}, for so few images or so little memory\n", batch,
             options.train.batch_size);
  options.choose("batch", batch);
}

}  // namespace hone::app
