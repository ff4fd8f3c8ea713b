#include "train/classifier_trainer.hpp"

#include "train/classifier_objective.hpp"

namespace hone {

TrainResult train_classifier(Graph& model, const Splits& data, const TrainOptions& options, Progress& progress) {
  ClassifierObjective objective(data, options);
  return train(model, data, objective, options, progress);
}

}  // namespace hone
