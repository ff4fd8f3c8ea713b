#include "app/programs/hone_trainer/output.hpp"

#include <sstream>

#include <fmt/format.h>

#include "app/programs/hone_trainer/data.hpp"
#include "export/export.hpp"
#include "train/train_options.hpp"

namespace hone::app {

Json describe_run(const TrainCommandOptions& options, const ModelPlan& plan, const Splits& data) {
  Json json;
  json["status"] = "running";
  json["task"] = name_of(plan.task);
  json["data"] = options.data;
  json["description"] = data.description;
  json["classes"] = data.train.classes;
  json["train_images"] = data.train.samples.size();
  json["validation_images"] = data.validation.samples.size();
  json["skipped_images"] = data.skipped.size();
  json["template"] = plan.template_name;
  json["width"] = options.width;
  json["size"] = fmt::format("{}x{}", plan.size.height, plan.size.width);
  if (plan.pretrained()) json["backbone"] = options.backbone;
  json["arguments"] = options.arguments();
  json["chosen"] = options.chosen();
  std::istringstream lines(describe(options.train));
  for (std::string line; std::getline(lines, line);)
    if (size_t equals = line.find('='); equals != std::string::npos)
      json["options"][line.substr(0, equals)] = line.substr(equals + 1);
  return json;
}

void add_result(Json& json, const TrainResult& result) {
  static const char* const stopped[] = {"finished", "patience", "time"};
  const std::string& metric = result.metric_name;
  json["status"] = "done";
  json["stopped"] = stopped[static_cast<int>(result.stopped)];
  json["best_epoch"] = result.best_epoch;
  json["metric"] = metric;
  json["best_" + metric] = result.best_metric;
  json["seconds"] = result.seconds;
  json["images_per_second"] = result.images_per_second;
  json["history"] = Json::array();
  for (const EpochRecord& epoch : result.history)
    json["history"].push_back({{"epoch", epoch.epoch},
                               {"loss", epoch.loss},
                               {metric, epoch.metric},
                               {"validation_loss", epoch.validation_loss},
                               {"validation_" + metric, epoch.validation_metric},
                               {"learning_rate", epoch.learning_rate},
                               {"seconds", epoch.seconds},
                               {"images_per_second", epoch.images_per_second},
                               {"height", epoch.height},
                               {"width", epoch.width}});
}

void write_model(const Graph& model, const TrainCommandOptions& options, const ModelPlan& plan, const Splits& data,
                 const TrainResult& result) {
  Graph finished = finish_model(model, options, plan.task, data.train.classes);
  finished.metadata["hone.training"] = fmt::format(
      "template={};width={};epochs={};best_epoch={};validation_{}={:.4f};{}", plan.template_name, options.width,
      result.history.size(), result.best_epoch, result.metric_name, result.best_metric, data.description);
  export_model(finished, options.in_output("model.onnx"));
}

void print_result(const TrainCommandOptions& options, const Splits& data, const TrainResult& result) {
  std::string model = options.in_output("model.onnx").string();
  fmt::print("{}  validation {} {} (epoch {} of {}), {} of training\n", model, result.metric_name,
             format_percent(result.best_metric), result.best_epoch, result.history.size(),
             format_duration(result.seconds));
  auto images = [&](const char* name) {
    std::string file = options.in_output(name).string();
    if (!is_written_as_list(data.train)) return file + ".csv";
    return fmt::format("{} --list {}.txt{}", options.data, file,
                       options.format.empty() ? "" : " --format " + options.format);
  };
  fmt::print("next: hone eval {} {}\n", model, images("validation"));
  fmt::print("      hone quantize {} --data {} -o {}\n", model, images("train"),
             options.in_output("model.int8.onnx").string());
  fmt::print("      hone run {} IMAGE\n", model);
}

}  // namespace hone::app
