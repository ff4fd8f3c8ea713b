#include "app/programs/hone_trainer/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "data/random.hpp"

namespace hone::app {

namespace {

constexpr int reduction = 3;

/// A run of its own with the settings; nothing of it is kept but the figures.
Json run_trial(const TrainCommandOptions& options, const ModelPlan& plan, const Splits& data, const Json& settings,
               int epochs, double minutes, Progress& progress) {
  TrainCommandOptions trial = options;
  ModelPlan shape = with_size(
      options, plan, settings.contains("size") ? parse_size("size", settings["size"].get<std::string>()) : plan.size);
  TrainOptions& train = trial.train;
  train.epochs = epochs;
  train.max_minutes = minutes;
  train.checkpoint.clear();
  train.resume = false;
  train.on_epoch = nullptr;
  train.learning_rate = settings.value("lr", train.learning_rate);
  train.weight_decay = settings.value("weight-decay", train.weight_decay);
  train.augment.min_area = settings.value("min-area", train.augment.min_area);
  trial.detection.scene.mosaic = settings.value("mosaic", trial.detection.scene.mosaic);
  train.preprocess = preprocess_of(trial, shape);
  Json result = {{"settings", settings}, {"epochs", epochs}};
  try {
    Graph model = build_model(trial, shape, data.train.classes);
    TrainResult trained = train_model(model, data, trial, progress);
    result["metric"] = trained.best_metric;
    result["loss"] = trained.history.at(static_cast<size_t>(trained.best_epoch - 1)).validation_loss;
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {  // a rate at which the loss diverges is a result too
    result["metric"] = -1;
    result["loss"] = std::numeric_limits<float>::max();
    result["error"] = error.what();
  }
  return result;
}

double rounded(double value) { return std::stod(fmt::format("{:.3g}", value)); }

Json draw_settings(const TrainCommandOptions& options, const ModelPlan& plan, int trial) {
  Json settings = Json::object();
  if (trial == 0) return settings;
  Rng rng = Rng::of(options.train.seed, 0x736561726368, static_cast<uint64_t>(trial));
  double rate = std::pow(10, rng.uniform(-0.8, 0.8)), decay = std::pow(10, rng.uniform(-1, 1)),
         area = rng.uniform(0.2, 0.8), mosaic = rng.uniform(0, 0.6);
  int size = rng.between(0, 2);
  if (!options.given("--lr")) settings["lr"] = rounded(options.train.learning_rate * rate);
  if (!options.given("--weight-decay"))
    settings["weight-decay"] = rounded(std::min(0.5, options.train.weight_decay * decay));
  bool classifies = plan.task == Task::classification || plan.task == Task::multi_label;
  if (classifies && !options.given("--min-area")) settings["min-area"] = rounded(area);
  if (plan.task == Task::detection && !options.given("--mosaic")) settings["mosaic"] = rounded(mosaic);
  if (size == 0 || options.given("--size") || plan.template_name == "ssd300_vgg16") return settings;
  double factor = size == 1 ? 0.75 : 1.25;
  int multiple = plan.task == Task::detection ? 32 : 16;
  auto side = [&](int64_t pixels) {
    return std::max<int64_t>(2 * multiple, std::llround(static_cast<double>(pixels) * factor / multiple) * multiple);
  };
  settings["size"] = fmt::format("{}x{}", side(plan.size.height), side(plan.size.width));
  return settings;
}

Json read_search(const TrainCommandOptions& options) {
  std::error_code ignored;
  std::filesystem::path file = options.in_output("search.json");
  if (!options.train.resume || !std::filesystem::exists(file, ignored)) return Json::array();
  return read_json_file(file);
}

/// The result of a trial of a rung that is there already, or nullptr.
const Json* find_done(const Json& done, int rung, int trial) {
  for (const Json& entry : done)
    if (entry.value("rung", -1) == rung && entry.value("trial", -1) == trial) return &entry;
  return nullptr;
}

}  // namespace

void search_settings(TrainCommandOptions& options, const ModelPlan& plan, const Splits& data, Progress& progress) {
  Json done = read_search(options);
  std::vector<int> trials;
  for (int i = 0; i < options.search; ++i) trials.push_back(i);
  int rungs = 1;
  for (int left = options.search; left > reduction; left = (left + reduction - 1) / reduction) ++rungs;
  Json best = Json::object();
  for (int rung = 0; rung < rungs; ++rung) {
    int epochs = std::max(1, static_cast<int>(options.train.epochs / std::pow(reduction, rungs - rung) + 0.5));
    // Half of the time is for the search, the same for each rung.
    double minutes = options.train.max_minutes / 2 / rungs / static_cast<double>(trials.size());
    std::vector<std::pair<std::pair<double, double>, int>> order;
    for (int trial : trials) {
      const Json* known = find_done(done, rung, trial);
      Json result =
          known ? *known
                : run_trial(options, plan, data, draw_settings(options, plan, trial), epochs, minutes, progress);
      if (!known) {
        result["rung"] = rung;
        result["trial"] = trial;
        done.push_back(result);
        write_json_file(options.in_output("search.json"), done);
      }
      fmt::print(stderr, "search {}/{}: trial {} {}: {} {}\n", rung + 1, rungs, trial, result["settings"].dump(),
                 metric_of(plan.task),
                 result["metric"].get<double>() < 0 ? "diverged" : format_percent(result["metric"].get<double>()));
      order.push_back({{-result["metric"].get<double>(), result["loss"].get<double>()}, trial});
    }
    std::stable_sort(order.begin(), order.end());
    trials.clear();
    size_t kept = rung + 1 == rungs ? 1 : (order.size() + reduction - 1) / reduction;
    for (size_t i = 0; i < kept; ++i) trials.push_back(order[i].second);
  }
  best = draw_settings(options, plan, trials[0]);
  fmt::print(stderr, "search: the best settings are {}\n", best.empty() ? "the defaults" : best.dump());
  for (auto& [name, value] : best.items()) options.choose(name, value);
  if (options.train.max_minutes > 0) options.choose("minutes", options.train.max_minutes / 2);
}

void find_learning_rate(TrainCommandOptions& options, const ModelPlan& plan, const Splits& data, Progress& progress) {
  if (options.given("--lr")) return;
  constexpr size_t most_images = 400, most_validation = 100;
  auto thinned = [](Dataset& dataset, size_t most) {
    size_t count = dataset.samples.size();
    if (count <= most) return;
    std::vector<Sample> some;
    for (size_t i = 0; i < most; ++i) some.push_back(dataset.samples[i * count / most]);
    dataset.samples = std::move(some);
  };
  Splits some = data;
  thinned(some.train, most_images);
  thinned(some.validation, most_validation);
  double best_loss = std::numeric_limits<double>::max(), best_rate = options.train.learning_rate;
  for (double factor : {0.1, 0.3, 1.0, 3.0}) {
    double rate = rounded(options.train.learning_rate * factor);
    Json result = run_trial(options, plan, some, {{"lr", rate}}, 2, 0, progress);
    fmt::print(stderr, "learning rate {:g}: validation loss {}\n", rate,
               result.contains("error") ? "diverges" : fmt::format("{:.4f}", result["loss"].get<double>()));
    if (result["loss"].get<double>() < best_loss) best_loss = result["loss"], best_rate = rate;
  }
  fmt::print(stderr, "learning rate: {:g}\n", best_rate);
  options.choose("lr", best_rate);
}

}  // namespace hone::app
