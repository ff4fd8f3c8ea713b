#pragma once
#include <memory>

#include "app/programs/hone_trainer/options.hpp"
#include "train/backbone.hpp"

namespace hone::app {

/// The architecture of a run.
struct ModelPlan {
  Task task = Task::classification;
  std::string template_name;
  ImageSize size;           ///< of the images inside the network
  std::shared_ptr<const Graph> imported;  ///< the file --backbone
  Backbone backbone;              ///< cut for `size`, when there is one
  bool pretrained() const { return imported != nullptr; }
};

/// What training maximizes: "accuracy", "mAP", "mAP50" or "mIoU".
const char* metric_of(Task task);

/// Chooses the template and reads the backbone, whose file says how its pixels are normalized. The size is set by
/// choose_size().
ModelPlan plan_model(const TrainCommandOptions& options, Task task);
/// The size of --size or the recipe, else one that suits the data.
ImageSize choose_size(const TrainCommandOptions& options, const ModelPlan& plan, const Dataset& train);
/// Sets the size, and cuts the backbone for it.
void set_size(const TrainCommandOptions& options, ModelPlan& plan, const ImageSize& size);
/// The same model at another size.
ModelPlan with_size(const TrainCommandOptions& options, const ModelPlan& plan, const ImageSize& size);
/// How decoded images become the network's input.
Preprocess preprocess_of(const TrainCommandOptions& options, const ModelPlan& plan);
/// A network to train: f32 [N, 3, H, W] to the outputs of its task. Rows of classes that the backbone's model knew are
/// kept.
Graph build_model(const TrainCommandOptions& options, const ModelPlan& plan, const std::vector<std::string>& classes);
/// Trains with the options as they are; `model` gets the best weights.
TrainResult train_model(Graph& model, const Splits& data, const TrainCommandOptions& options, Progress& progress);
/// The network with what it needs to be used: preprocessing in front, decoding behind, class names in the metadata.
Graph finish_model(const Graph& model, const TrainCommandOptions& options, Task task,
                   const std::vector<std::string>& classes);

}  // namespace hone::app
