#include "app/programs/hone_trainer/model.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/preprocess.hpp"
#include "import/import.hpp"
#include "train/classification/linear_probe.hpp"
#include "train/classifier_trainer.hpp"
#include "train/templates.hpp"
#include "train/templates/backbone_classifier.hpp"
#include "train/unfold_batch_norm.hpp"

namespace hone::app {

namespace {

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream parts(text);
  for (std::string name; std::getline(parts, name, ',');)
    if (!name.empty()) names.push_back(name);
  return names;
}

bool classifies(Task task) { return task == Task::classification || task == Task::multi_label; }

/// The template to take when none is asked for.
const char* usual_template(Task task, bool pretrained) {
  if (task == Task::detection) return "atss";
  if (task == Task::segmentation) return pretrained ? "deeplabv3_mobilenet" : "bisenet";
  return "mobilenet_v2";
}

void check_template(const std::string& name, Task task) {
  std::string fitting;
  const Template* found = nullptr;
  for (const Template& known : templates()) {
    if (known.task == (task == Task::multi_label ? Task::classification : task))
      fitting += (fitting.empty() ? "" : ", ") + std::string(known.name);
    if (name == known.name) found = &known;
  }
  if (found && (found->task == task || (classifies(found->task) && classifies(task)))) return;
  if (found)
    throw Error("--template",
                fmt::format("{} is for {}, the data is for {}", name, name_of(found->task), name_of(task)),
                "templates for that: " + fitting);
  throw Error("template '" + name + "'", "is unknown", "templates for " + std::string(name_of(task)) + ": " + fitting);
}

/// The strides of the maps that the heads of a task work on.
std::vector<int> wanted_strides(const std::string& template_name, Task task) {
  if (task == Task::detection) return {8, 16, 32};
  if (task == Task::segmentation)
    return template_name == "unet" ? std::vector<int>{2, 4, 8, 16} : std::vector<int>{4, 8, 16};
  return {};
}

/// The median of the shorter sides of some images.
int usual_side(const Dataset& dataset) {
  constexpr size_t looked_at = 15;
  std::vector<int> sides;
  size_t count = dataset.samples.size();
  for (size_t i = 0; i < std::min(count, looked_at); ++i) {
    const Sample& sample = dataset.samples[i * count / std::min(count, looked_at)];
    ImageSize size = sample.size;
    try {
      if (size.width <= 0) {
        Tensor image = image_of(sample);
        size = {static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))};
      }
    } catch (const Error&) {
      continue;  // the loader replaces it
    }
    sides.push_back(std::min(size.height, size.width));
  }
  if (sides.empty()) return 128;
  std::nth_element(sides.begin(), sides.begin() + static_cast<std::ptrdiff_t>(sides.size() / 2), sides.end());
  return (sides[sides.size() / 2] + 4) / 8 * 8;
}

}  // namespace

const char* metric_of(Task task) {
  switch (task) {
    case Task::detection: return "mAP50";
    case Task::segmentation: return "mIoU";
    case Task::multi_label: return "mAP";
    default: return "accuracy";
  }
}

ModelPlan plan_model(const TrainCommandOptions& options, Task task) {
  ModelPlan plan;
  plan.task = task;
  if (!options.backbone.empty()) plan.imported = std::make_shared<const Graph>(import_model(options.backbone));
  plan.template_name = options.template_name.empty() ? usual_template(task, plan.pretrained()) : options.template_name;
  if (plan.pretrained() && classifies(task)) {
    if (!options.template_name.empty())
      throw Error("--template", "cannot be given together with --backbone for " + std::string(name_of(task)),
                  "the classifier is the backbone with a new last layer");
    plan.template_name = "backbone";
    set_size(options, plan, {});
  } else {
    check_template(plan.template_name, task);
  }
  return plan;
}

ImageSize choose_size(const TrainCommandOptions& options, const ModelPlan& plan, const Dataset& train) {
  if (!options.size.empty()) return parse_size("--size", options.size);
  if (plan.task == Task::detection)
    return plan.template_name == "ssd300_vgg16" ? ImageSize{300, 300} : suggest_detection_size(train);
  if (plan.task == Task::segmentation) return segmentation_size(train);
  if (!plan.pretrained()) {
    int side = std::clamp(usual_side(train), 32, 128);  // enlarged images show nothing new
    return {side, side};
  }
  if (plan.backbone.preprocess)
    return {static_cast<int>(plan.backbone.preprocess->height), static_cast<int>(plan.backbone.preprocess->width)};
  return {224, 224};  // what most were trained with
}

void set_size(const TrainCommandOptions& options, ModelPlan& plan, const ImageSize& size) {
  plan.size = size;
  if (!plan.pretrained()) return;
  BackboneOptions cut;
  cut.cut = split_names(options.cut);
  cut.strides = wanted_strides(plan.template_name, plan.task);
  cut.optional_strides = true;
  cut.height = size.height;
  cut.width = size.width;
  plan.backbone = cut_backbone(*plan.imported, cut);
}

ModelPlan with_size(const TrainCommandOptions& options, const ModelPlan& plan, const ImageSize& size) {
  ModelPlan other;
  other.task = plan.task;
  other.template_name = plan.template_name;
  other.imported = plan.imported;
  set_size(options, other, size);
  return other;
}

Preprocess preprocess_of(const TrainCommandOptions& options, const ModelPlan& plan) {
  Preprocess preprocess;  // mean and deviation of the photos of ImageNet, as the field uses them
  preprocess.mean = {123.675f, 116.28f, 103.53f};
  preprocess.std = {58.395f, 57.12f, 57.375f};
  if (plan.pretrained() && plan.backbone.preprocess) preprocess = *plan.backbone.preprocess;
  if (!options.pixels.given().empty()) {
    Graph image;
    image.add_input("input", DType::f32, Shape{1, 3, plan.size.height, plan.size.width});
    preprocess = options.pixels.preprocess(image);
    preprocess.antialias = true;  // as the training images are resized
  }
  preprocess.height = plan.size.height;
  preprocess.width = plan.size.width;
  return preprocess;
}

Graph build_model(const TrainCommandOptions& options, const ModelPlan& plan, const std::vector<std::string>& classes) {
  TemplateOptions shape;
  shape.classes = static_cast<int>(classes.size());
  shape.width = options.width;
  shape.height = plan.size.height;
  shape.width_px = plan.size.width;
  shape.dropout = options.dropout;
  shape.seed = options.train.seed;
  if (!plan.pretrained()) return build_template(plan.template_name, shape);
  shape.backbone = &plan.backbone.features;
  if (!classifies(plan.task)) return build_template(plan.template_name, shape);
  Graph model = build_backbone_classifier(shape);
  keep_class_rows(model, plan.backbone, classes);
  return model;
}

TrainResult train_model(Graph& model, const Splits& data, const TrainCommandOptions& options, Progress& progress) {
  switch (data.train.task) {
    case Task::detection: return train_detector(model, data, options.train, options.detection, progress);
    case Task::segmentation: return train_segmenter(model, data, options.train, options.segmentation, progress);
    default: break;
  }
  bool pretrained = !options.backbone.empty();
  if (pretrained && options.train.backbone_rate == 0) return train_linear_probe(model, data, options.train, progress);
  // A continued run takes its weights from the checkpoint.
  if (pretrained && !options.no_probe && !options.train.resume) {
    TrainResult probe = train_linear_probe(model, data, options.train, progress);
    progress.end(fmt::format("last layer on the backbone as it is: validation {} {:.1f}%", probe.metric_name,
                             100 * probe.best_metric));
  }
  if (pretrained && options.unfold_norm) unfold_batch_norms(model, "backbone/", data.train, options.train);
  return train_classifier(model, data, options.train, progress);
}

Graph finish_model(const Graph& model, const TrainCommandOptions& options, Task task,
                   const std::vector<std::string>& classes) {
  Graph finished;
  if (task == Task::detection) {
    finished = finish_detector(model, options.train.preprocess, options.detection.decoding);
  } else {
    finished = model.clone();
    attach_preprocess(finished, options.train.preprocess);
    finished.metadata["hone.task"] = name_of(task);
  }
  set_labels(finished, classes);
  return finished;
}

}  // namespace hone::app
